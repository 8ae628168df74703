"""Secrets of the stack on containers: from the environment or files, looked at, made into settings of Airflow.

Standard library only: `python3 -m recsys.stack.secrets > .env` fills in the example before anything is installed.
A value is the secret itself or `file:/run/secrets/name`. A word that everybody knows is refused, like an empty one.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from recsys.errors import ConfigError

SHORTEST = 16  # characters of a secret
KNOWN = ("password", "passw0rd", "changeme", "change-me", "secret", "airflow", "admin", "postgres", "redis", "recsys")
USER, DATABASE = "recsys", "airflow"
AIRFLOW = ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "AIRFLOW_JWT_SECRET", "AIRFLOW_SECRET_KEY", "AIRFLOW_FERNET_KEY")
MLFLOW = ("POSTGRES_PASSWORD",)
INIT = (*AIRFLOW, "AIRFLOW_ADMIN_PASSWORD")
ALL = INIT
CURE = "Fill in .env: `python3 -m recsys.stack.secrets > .env` makes one with random secrets."
EXAMPLE = Path(__file__).parents[2] / ".env.example"


def read(environ: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    """The named secrets; raises ConfigError that names the one that is missing, well known, too short or used twice."""
    values = {name: _value(name, environ.get(name, "")) for name in names}
    for name, value in values.items():
        why = _weakness(name, value)
        if why:
            raise ConfigError(f"{name} cannot be used", got=why, cure=CURE)
        twin = next((other for other in names if other != name and values[other] == value), None)
        if twin:
            raise ConfigError(f"{name} and {twin} are the same secret", cure=CURE)
    return values


def airflow_settings(values: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """What Airflow reads. The driver is named: SQLAlchemy 2.1 takes a plain postgresql:// for psycopg 3."""
    url = f"postgresql+psycopg2://{_postgres(values, environ)}/{DATABASE}"
    redis = environ.get("REDIS_HOST", "redis:6379")
    return {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{url}",
        "AIRFLOW__CELERY__BROKER_URL": f"redis://:{quote(values['REDIS_PASSWORD'], safe='')}@{redis}/0",
        "AIRFLOW__CORE__FERNET_KEY": values["AIRFLOW_FERNET_KEY"],
        "AIRFLOW__API__SECRET_KEY": values["AIRFLOW_SECRET_KEY"],
        "AIRFLOW__API_AUTH__JWT_SECRET": values["AIRFLOW_JWT_SECRET"],
    }


def mlflow_settings(values: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """What the MLflow server reads."""
    return {"MLFLOW_BACKEND_STORE_URI": f"postgresql+psycopg2://{_postgres(values, environ)}/mlflow"}


def make(name: str) -> str:
    """A new random secret in the form its reader wants."""
    if name == "AIRFLOW_FERNET_KEY":
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_urlsafe(48)


def filled(example: str, maker: Callable[[str], str] = make) -> str:
    """The text of .env.example with every empty secret filled in."""
    lines = (
        f"{line}{maker(line[:-1])}" if line[:-1] in ALL and line.endswith("=") else line for line in _lines(example)
    )
    return "\n".join(lines) + "\n"


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def _value(name: str, given: str) -> str:
    if not given.startswith("file:"):
        return given.strip()
    try:
        return Path(given.removeprefix("file:")).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name} cannot be read", got=error, cure="Check `secrets:` of the service.") from None


def _weakness(name: str, value: str) -> str:
    """Why a secret is refused, "" when it is not."""
    if not value:
        return "nothing"
    if value.lower().strip("-_!1234567890") in KNOWN or len(set(value)) < 6:
        return "a word that everybody knows"
    if len(value) < SHORTEST:
        return f"{len(value)} characters, {SHORTEST} are the least"
    if name == "AIRFLOW_FERNET_KEY" and not _is_fernet(value):
        return "no 32 bytes in URL-safe base64"
    return ""


def _is_fernet(value: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(value)) == 32
    except (binascii.Error, ValueError):
        return False


def _postgres(values: Mapping[str, str], environ: Mapping[str, str]) -> str:
    return f"{USER}:{quote(values['POSTGRES_PASSWORD'], safe='')}@{environ.get('POSTGRES_HOST', 'postgres')}"


if __name__ == "__main__":
    sys.stdout.write(filled(EXAMPLE.read_text(encoding="utf-8")))
