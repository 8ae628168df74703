"""Secrets: from the environment or files; empty, known, short and equal ones are refused by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from recsys.errors import ConfigError
from recsys.stack import secrets

ROOT = Path(__file__).parents[2]
GOOD = {name: secrets.make(name) for name in secrets.ALL}


@pytest.mark.parametrize("value", ["", "  ", "password", "Airflow", "changeme123", "a" * 40, "short-one", "Secret!"])
def test_a_weak_secret_is_refused_by_name(value: str) -> None:
    with pytest.raises(ConfigError, match=r"REDIS_PASSWORD cannot be used; got .*Fill in \.env"):
        secrets.read({**GOOD, "REDIS_PASSWORD": value}, secrets.AIRFLOW)


def test_a_fernet_key_has_its_own_form() -> None:
    with pytest.raises(ConfigError, match="AIRFLOW_FERNET_KEY cannot be used; got no 32 bytes"):
        secrets.read({**GOOD, "AIRFLOW_FERNET_KEY": GOOD["REDIS_PASSWORD"][:-1]}, secrets.AIRFLOW)


def test_one_secret_is_not_used_twice() -> None:
    with pytest.raises(ConfigError, match="are the same secret"):
        secrets.read({**GOOD, "REDIS_PASSWORD": GOOD["POSTGRES_PASSWORD"]}, secrets.AIRFLOW)


def test_a_secret_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "postgres_password"
    file.write_text(GOOD["POSTGRES_PASSWORD"] + "\n")
    assert secrets.read({"POSTGRES_PASSWORD": f"file:{file}"}, secrets.MLFLOW) == {
        "POSTGRES_PASSWORD": GOOD["POSTGRES_PASSWORD"]
    }
    with pytest.raises(ConfigError, match="POSTGRES_PASSWORD cannot be read"):
        secrets.read({"POSTGRES_PASSWORD": f"file:{tmp_path / 'nowhere'}"}, secrets.MLFLOW)


def test_drivers_are_named_and_any_character_survives_in_a_url() -> None:
    """SQLAlchemy 2.1 reads a plain postgresql:// as psycopg 3, which nobody installs."""
    from sqlalchemy.engine import make_url

    odd = GOOD | {"POSTGRES_PASSWORD": "p@ss/w:rd?&%41 long enough", "REDIS_PASSWORD": "r#dis/w:rd@longer than"}
    made = secrets.airflow_settings(odd, {"POSTGRES_HOST": "db:5433"})
    url = make_url(made["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
    assert (url.drivername, url.password, url.host, url.port) == (
        "postgresql+psycopg2",
        odd["POSTGRES_PASSWORD"],
        "db",
        5433,
    )
    assert made["AIRFLOW__CELERY__RESULT_BACKEND"].startswith("db+postgresql+psycopg2://")
    assert make_url(secrets.mlflow_settings(odd, {})["MLFLOW_BACKEND_STORE_URI"]).database == "mlflow"
    redis = pytest.importorskip("redis", reason="the distributed extra is not installed")
    broker = redis.Redis.from_url(made["AIRFLOW__CELERY__BROKER_URL"]).connection_pool.connection_kwargs
    assert (broker["host"], broker["password"]) == ("redis", odd["REDIS_PASSWORD"])


def test_the_example_is_filled_on_a_bare_python() -> None:
    """-I -S: no site-packages, as before the installation."""
    run = "runpy.run_module('recsys.stack.secrets', run_name='__main__')"
    code = f"import runpy, sys; sys.path.insert(0, {str(ROOT)!r}); {run}"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line and not line.startswith("#"))
    secrets.read(lines, secrets.ALL)
    assert lines["AIRFLOW_PORT"] == "8080"
