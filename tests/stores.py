"""An S3 in this process for tests: moto behind a lock, because its conditional put looks and writes in two steps."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@contextmanager
def s3_server() -> Iterator[str]:
    """The endpoint of a running store; skips the test where moto or s3fs is not installed."""
    pytest.importorskip("s3fs", reason="the s3 extra is not installed")
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    from werkzeug.serving import make_server

    app, one = moto.DomainDispatcherApplication(moto.create_backend_app), threading.Lock()

    def in_turn(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        with one:
            return list(app(environ, start_response))

    server = make_server("127.0.0.1", 0, in_turn, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


def make_bucket(name: str) -> str:
    """An empty bucket in the store that the environment names."""
    import s3fs

    s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True).mkdir(name)
    return f"s3://{name}"
