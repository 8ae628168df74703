import pytest

from recsys.contest.optional import attempt, tried
from recsys.errors import FitError


def test_what_goes_wrong_becomes_a_status(caplog: pytest.LogCaptureFixture) -> None:
    assert attempt("task", lambda: {"status": "ok"}) == {"status": "ok"}

    def refused() -> dict[str, str]:
        raise FitError("A fit", got="NaN")

    def broken() -> dict[str, str]:
        raise ValueError("surprise")

    assert attempt("task", refused) == {"status": "failed", "reason": "A fit; got NaN."}
    assert tried("task", refused, 7) == (7, "A fit; got NaN.")
    assert tried("task", lambda: 8, 7) == (8, "")
    found = attempt("task", broken)
    assert found["status"] == "failed"
    assert "ValueError: surprise" in found["reason"]
    assert "Traceback" in caplog.text
