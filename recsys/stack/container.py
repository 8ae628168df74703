"""What every container of ours starts with: look at secrets, logins and libraries, then become the server.

`python -m recsys.stack.container init | health URL | COMMAND...`. Whatever is wrong is one sentence and exit status 1,
before a library has a chance to print its own traceback.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from recsys.errors import ConfigError, RecsysError, ServiceError
from recsys.stack import secrets

WAIT_SECONDS = 60.0
CURE_LIBRARY = "Build the image again, or `pip install -c constraints.txt '.[distributed]'` on this machine."
SERVER = (
    "airflow",
    "recsys",
    "psycopg2",
    "asyncpg",
    "redis",
    "celery",
    "airflow.providers.celery",
    "airflow.providers.fab",
)
WORKER = (*SERVER, "torch", "lightfm", "implicit", "pyblp", "mlflow")
LIBRARIES = {"mlflow": ("mlflow", "psycopg2"), "airflow": SERVER, "worker": WORKER, "init": SERVER}


def main(arguments: Sequence[str]) -> int:
    """Exit status; a server never returns because this process becomes it."""
    try:
        if arguments[:1] == ["health"]:
            return health(arguments[1])
        if arguments[:1] == ["init"]:
            return init(os.environ)
        run(arguments, os.environ)
    except RecsysError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    except IndexError:
        print("Usage: python -m recsys.stack.container init | health URL | COMMAND...", file=sys.stderr)
    return 1


def run(command: Sequence[str], environ: Mapping[str, str]) -> None:
    """Become `command` with the secrets it needs; raises ConfigError or ServiceError before that."""
    env = prepared(command, environ)
    os.execvpe(command[0], list(command), env)


def prepared(command: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of `command` after everything it needs was looked at."""
    kind = "worker" if "worker" in command else command[0]
    check_libraries(LIBRARIES.get(kind, ("recsys",)))
    if kind == "mlflow":
        values = secrets.read(environ, secrets.MLFLOW)
        check_postgres(values, environ, "mlflow")
        made = secrets.mlflow_settings(values, environ)
    elif kind in ("airflow", "worker", "celery"):
        values = secrets.read(environ, secrets.AIRFLOW)
        check_postgres(values, environ, secrets.DATABASE)
        check_redis(values, environ)
        made = secrets.airflow_settings(values, environ)
    else:
        made = {}
    return {**without_secrets(environ), **made}


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The bare secrets stay here: a server gets them only in the settings it reads."""
    return {name: value for name, value in environ.items() if name not in secrets.ALL}


def check_libraries(names: Sequence[str]) -> None:
    """Raises ConfigError that names what cannot be imported here."""
    missing = [name for name in names if not _is_there(name)]
    if missing:
        raise ConfigError(f"This Python lacks {', '.join(missing)}", got=sys.executable, cure=CURE_LIBRARY)


def check_postgres(values: Mapping[str, str], environ: Mapping[str, str], database: str) -> None:
    """Wait for PostgreSQL; raises ServiceError when it stays away, ConfigError when it refuses the password."""

    def ask() -> None:
        _connect(values, environ, database).close()

    _until_it_answers("PostgreSQL", environ.get("POSTGRES_HOST", "postgres"), ask, "password authentication failed")


def check_redis(values: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Wait for Redis; raises ServiceError when it stays away, ConfigError when it refuses the password."""
    import redis

    url = secrets.airflow_settings({**dict.fromkeys(secrets.AIRFLOW, ""), **values}, environ)
    with redis.Redis.from_url(url["AIRFLOW__CELERY__BROKER_URL"], socket_timeout=5, socket_connect_timeout=5) as client:
        _until_it_answers("Redis", environ.get("REDIS_HOST", "redis"), client.ping, "password", "AUTH", "auth")


def health(url: str) -> int:
    """0 when `url` answers 200 within five seconds."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status != 200)
    except (OSError, ValueError):
        return 1


def init(environ: Mapping[str, str]) -> int:
    """Databases, the first user, the pool: run once, and again without harm."""
    values = secrets.read(environ, secrets.INIT)
    env = prepared(("airflow", "init"), environ)
    _make_database(values, environ, "mlflow")
    _call(env, "airflow", "db", "migrate")
    _call(env, *_user("create"), "--password", values["AIRFLOW_ADMIN_PASSWORD"])
    _call(env, *_user("reset-password"), "--password", values["AIRFLOW_ADMIN_PASSWORD"])
    _call(env, "airflow", "pools", "set", "training", environ.get("TRAINING_SLOTS", "2"), "Fits at once")
    return 0


def _user(verb: str) -> tuple[str, ...]:
    named = ("airflow", "users", verb, "--username", "admin")
    if verb != "create":
        return named
    return (*named, "--role", "Admin", "--firstname", "Admin", "--lastname", "Admin", "--email", "admin@example.org")


def _call(env: Mapping[str, str], *command: str) -> None:
    if subprocess.run(command, env=dict(env), check=False).returncode:
        shown = " ".join(command[: command.index("--password")] if "--password" in command else command)
        raise ServiceError(f"`{shown}` failed", cure="Its own words are above; mend it and start again.")


def _connect(values: Mapping[str, str], environ: Mapping[str, str], database: str) -> Any:
    import psycopg2

    host, _, port = environ.get("POSTGRES_HOST", "postgres").partition(":")
    password = values["POSTGRES_PASSWORD"]
    return psycopg2.connect(
        host=host, port=port or 5432, user=secrets.USER, password=password, dbname=database, connect_timeout=5
    )


def _make_database(values: Mapping[str, str], environ: Mapping[str, str], name: str) -> None:
    connection = _connect(values, environ, secrets.DATABASE)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("select 1 from pg_database where datname = %s", (name,))
        if cursor.fetchone() is None:
            cursor.execute(f'create database "{name}"')
    connection.close()


def _until_it_answers(name: str, where: str, ask: Callable[[], Any], *refusals: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            ask()
            return
        except Exception as error:  # the drivers' trees differ; all that matters is what they say
            said = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        if any(word in said for word in refusals):
            cure = "It was set up with another one: put that one into .env, or remove its volume to begin anew."
            raise ConfigError(f"{name} at {where} refuses the password", got=said, cure=cure)
        if time.monotonic() > deadline:
            raise ServiceError(f"{name} does not answer at {where}", got=said, cure="Is the service up?")
        time.sleep(1.0)


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
