"""Tasks the night can do without: whatever goes wrong in one becomes its status and its reason."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from recsys.errors import RecsysError

Json = dict[str, Any]
log = logging.getLogger(__name__)


def attempt(task: str, make: Callable[[], Json]) -> Json:
    """What `make` returns, or {"status": "failed", "reason": words}; an unexpected error leaves its traceback."""
    try:
        return make()
    except RecsysError as error:
        log.warning("%s: %s", task, error)
        return {"status": "failed", "reason": str(error)}
    except Exception as error:
        log.exception("%s failed", task)
        return {"status": "failed", "reason": f"{type(error).__name__}: {error}. The log has the traceback."}
