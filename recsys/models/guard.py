"""What every iterative fit must watch: the clock and the numbers."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.contract import Run, State
from recsys.errors import FitError


def check_deadline(run: Run, family: str, done: str) -> None:
    """Raises FitError once the run's deadline has passed; call it between epochs."""
    if run.deadline is not None and time.monotonic() > run.deadline:
        raise FitError(family, got=f"the deadline after {done}", cure="Give it more time or fewer epochs.")


def check_finite(family: str, *arrays: NDArray[Any]) -> None:
    """Raises FitError when a fitted array holds NaN or infinity."""
    for array in arrays:
        if not np.isfinite(array).all():
            raise FitError(family, got="NaN or infinite parameters", cure="Lower the learning rate or the weights.")


def check_memory(family: str, needed_bytes: float, limit_mb: int, what: str) -> None:
    """Raises FitError before a fit that would not fit; the limit is a setting, so that it can be raised."""
    needed_mb = needed_bytes / 2**20
    if needed_mb > limit_mb:
        raise FitError(
            family,
            got=f"{what}, about {needed_mb:,.0f} MB",
            wanted=f"at most memory_mb = {limit_mb}",
            cure="Raise memory_mb, or leave this family out of a catalogue of this size.",
        )


def usable(start: State | None, as_of: int, *keys: str) -> State | None:
    """Last night's state if it has these arrays and knows nothing later than `as_of`, else None: a cold start."""
    if start is None or not {"as_of", *keys} <= start.keys():
        return None
    return start if int(start["as_of"][0]) <= as_of else None


def one_blas_thread() -> AbstractContextManager[Any]:
    """One BLAS thread inside: with two, sweeps over many small matrices take four to ten times as long."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[Any] = threadpool_limits(1, "blas")
    return limits
