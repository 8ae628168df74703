"""`mlflow models serve` with the champion: ids in, recommendations out, over HTTP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from recsys.tracking import connect, mirror
from tests.stack.native import free_ports
from tests.tracking import world


@pytest.mark.slow
@pytest.mark.services
def test_the_champion_answers_with_recommendations(tmp_path: Path) -> None:
    one = world.settings(tmp_path)
    lake, night = world.whole_night(one)
    assert mirror(one, lake, *night)["status"] == "ok"
    port = free_ports("model")["model"]
    model = "models:/recsys-corner@champion"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
    env = {
        **os.environ,
        "MLFLOW_TRACKING_URI": connect.address(one),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    with (tmp_path / "serve.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port)], env=env, stdout=log, stderr=log, start_new_session=True
        )
    try:
        answer = ask(f"http://127.0.0.1:{port}", ["bob", "nobody we know", "alice"])
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
    assert answer == [world.LISTS["bob"], ["poster"], world.LISTS["alice"]]


def ask(url: str, customers: list[str]) -> list[list[str]]:
    deadline = time.monotonic() + 120
    while True:
        try:
            answer = httpx.post(f"{url}/invocations", json={"inputs": customers}, timeout=10)
            answer.raise_for_status()
            return list(answer.json()["predictions"])
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.5)
