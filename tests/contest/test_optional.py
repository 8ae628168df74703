import pytest

from recsys.contest.optional import attempt, settled, tried
from recsys.errors import FitError, RecsysError, StoreError


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


def test_what_is_refused_for_good_is_told_from_a_lake_that_did_not_answer() -> None:
    def failing(error: RecsysError) -> int:
        raise error

    assert settled(lambda: 8) == (8, "")
    assert settled(lambda: failing(FitError("A fit", got="NaN"))) == (None, "A fit; got NaN.")
    with pytest.raises(StoreError):
        settled(lambda: failing(StoreError("The lake")))
    with pytest.raises(ZeroDivisionError):
        settled(lambda: 1 // 0)
