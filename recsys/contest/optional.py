"""What the night can do without: whatever goes wrong in it becomes words, and the night goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from recsys.errors import RecsysError, StoreError

Json = dict[str, Any]
T = TypeVar("T")
log = logging.getLogger(__name__)


def tried(task: str, make: Callable[[], T], instead: T) -> tuple[T, str]:
    """(what `make` returns, "") or (`instead`, why); an unexpected error leaves its traceback in the log."""
    try:
        return make(), ""
    except RecsysError as error:
        log.warning("%s: %s", task, error)
        return instead, str(error)
    except Exception as error:
        log.exception("%s failed", task)
        return instead, f"{type(error).__name__}: {error}. The log has the traceback."


def settled(make: Callable[[], T]) -> tuple[T | None, str]:
    """(what `make` returns, "") or (None, why it is refused): for facts that are stored and found again by every try.

    A StoreError passes through: the lake may answer the next try, so nothing of this one may be stored.
    """
    try:
        return make(), ""
    except StoreError:
        raise
    except RecsysError as error:
        return None, str(error)


def attempt(task: str, make: Callable[[], Json]) -> Json:
    """What `make` returns, or {"status": "failed", "reason": words}."""
    nothing: Json = {}
    found, why = tried(task, make, nothing)
    return {"status": "failed", "reason": why} if why else found
