"""MLflow behind an address: there, behind a path, behind a login, or something else altogether."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from recsys.errors import ServiceError
from recsys.tracking import connect


@contextmanager
def answering(answers: dict[str, tuple[int, str]]) -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = answers.get(self.path, (404, "<html>not here</html>"))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_proxy_path_is_part_of_the_address() -> None:
    with answering({"/mlflow/health": (200, "OK")}) as base:
        connect._probe(f"{base}/mlflow")
        connect._probe(f"{base}/mlflow/")
        with pytest.raises(
            ServiceError, match=r"got 404 for /health.*Behind a proxy path \[tracking\] url names it too"
        ):
            connect._probe(base)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((302, ""), "302: a login or a redirect stands before it.*MLFLOW_TRACKING_USERNAME"),
        ((401, "who are you?"), "401: a login"),
        ((200, "<html>welcome to another service</html>"), "200 and no MLflow behind it"),
        ((500, "OK"), "500 and no MLflow"),
    ],
)
def test_what_stands_there_instead_is_said_in_one_sentence(answer: tuple[int, str], said: str) -> None:
    with answering({"/health": answer}) as base, pytest.raises(ServiceError, match=said) as told:
        connect._probe(base)
    assert "\n" not in str(told.value)
