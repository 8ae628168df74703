import pytest

from recsys.contest.optional import attempt
from recsys.errors import FitError


def test_what_goes_wrong_becomes_a_status(caplog: pytest.LogCaptureFixture) -> None:
    assert attempt("task", lambda: {"status": "ok"}) == {"status": "ok"}

    def refused() -> dict[str, str]:
        raise FitError("A fit", got="NaN")

    def broken() -> dict[str, str]:
        raise ValueError("surprise")

    assert attempt("task", refused) == {"status": "failed", "reason": "A fit; got NaN."}
    found = attempt("task", broken)
    assert found["status"] == "failed"
    assert "ValueError: surprise" in found["reason"]
    assert "Traceback" in caplog.text
