"""Fixtures that more than one room's tests use."""

from __future__ import annotations

import logging
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests import stores

LONGEST = ("services", "slow")  # files that hold one of these start first, so that no core waits for the last of them


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with the longest tests first; within a file the order stays."""
    first: dict[Path, int] = {}
    for item in items:
        marked = [place for place, mark in enumerate(LONGEST) if item.get_closest_marker(mark)]
        first[item.path] = min([*marked, first.get(item.path, len(LONGEST))])
    items.sort(key=lambda item: first[item.path])


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine where nobody listens, and nobody will while the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[BaseHTTPRequestHandler], None]], str]]:
    """Start a small server that lets a function answer every GET and POST; returns its address."""
    running: list[ThreadingHTTPServer] = []

    def start(answer: Callable[[BaseHTTPRequestHandler], None]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *told: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with stores.s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def s3_root(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """s3://bucket/prefix of an empty bucket; the environment leads to it, in children too."""
    for name, value in {**stores.KEYS, "AWS_ENDPOINT_URL": s3_endpoint}.items():
        monkeypatch.setenv(name, value)
    return f"{stores.make_bucket(f'lake-{uuid.uuid4().hex}')}/shop"


@pytest.fixture(params=["folder", "bucket"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The root of an empty lake, on both kinds of storage."""
    return str(tmp_path / "lake") if request.param == "folder" else str(request.getfixturevalue("s3_root"))
