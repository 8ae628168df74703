"""MLflow behind an address: there, behind a path, behind a login, or something else altogether."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import pytest

from recsys.errors import ServiceError
from recsys.tracking import connect


def answers(told: dict[str, tuple[int, str]]) -> Callable[[BaseHTTPRequestHandler], None]:
    """A server's answers by path: status and text."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        status, text = told.get(handler.path, (404, "<html>not here</html>"))
        handler.send_response(status)
        handler.end_headers()
        handler.wfile.write(text.encode())

    return answer


def test_a_proxy_path_is_part_of_the_address(serve: Callable[..., str]) -> None:
    base = serve(answers({"/mlflow/health": (200, "OK")}))
    connect._probe(f"{base}/mlflow")
    connect._probe(f"{base}/mlflow/")
    with pytest.raises(ServiceError, match=r"got 404 for /health.*Behind a proxy path \[tracking\] url names it too"):
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
def test_what_stands_there_instead_is_said_in_one_sentence(
    serve: Callable[..., str], answer: tuple[int, str], said: str
) -> None:
    with pytest.raises(ServiceError, match=said) as told:
        connect._probe(serve(answers({"/health": answer})))
    assert "\n" not in str(told.value)
