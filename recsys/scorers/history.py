"""A customer's past as one sparse row: what each event counts, and how fast it fades."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import sparse

from recsys.contract import DAY, F32, I64, Events, Rows

Weighting = Literal["binary", "events", "units", "log"]
MAX_HALVINGS = 60.0  # older than that is as old: 2^-60 stays above zero, so an old purchase is still a purchase


def weigh(
    history: Events,
    m: int,
    weighting: Weighting = "binary",
    now: I64 | None = None,
    half_life_days: float | None = None,
) -> Rows:
    """Turn events into [n, m] csr float32, sorted, one cell per row and product.

    An event counts v * 2^(-age / half_life), age in days before `now` (int64[n], epoch seconds). `binary`: v = 1 and
    only the newest event of a product counts; `events`: v = 1, summed; `units`: v = weight, summed; `log`: log1p of
    the summed units.
    """
    if weighting == "binary" and half_life_days is None:
        return history.seen(m)
    value = history.weight if weighting in ("units", "log") else np.ones_like(history.weight)
    if half_life_days is not None and now is not None:
        value = value * _decay(history, now, half_life_days)
    parts = (value.astype(np.float32), history.product, history.start)
    rows = sparse.csr_matrix(parts, shape=(len(history), m), dtype=np.float32, copy=True)
    if weighting == "binary":
        return _newest(history, rows)
    rows.sum_duplicates()
    if weighting == "log":
        rows.data = np.log1p(rows.data)
    return rows


def _decay(history: Events, now: I64, half_life_days: float) -> F32:
    owner = np.repeat(np.arange(len(history)), np.diff(history.start))
    age = (now[owner] - history.time) / (half_life_days * DAY)
    decay: F32 = np.exp2(-np.clip(age, 0.0, MAX_HALVINGS)).astype(np.float32)
    return decay


def _newest(history: Events, rows: Rows) -> Rows:
    """Keep the last event of every (row, product); events are sorted by time."""
    n, m = rows.shape
    owner = np.repeat(np.arange(n, dtype=np.int64), np.diff(history.start))
    cell = owner * m + history.product
    cells, from_end = np.unique(cell[::-1], return_index=True)
    data = rows.data[len(cell) - 1 - from_end]
    start = np.searchsorted(cells, np.arange(n + 1, dtype=np.int64) * m)
    return sparse.csr_matrix((data, (cells % m).astype(np.int32), start), shape=(n, m))
