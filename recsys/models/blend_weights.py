"""Learn a blend's weights: held-out products shall rank early, on days that no part was fitted on.

The objective is the mean log rank of what was held out, per customer first. It asks for no cut-off, so it serves a
list of ten among a hundred as well as one of twenty in the whole catalogue. To know a rank every product would have to
be scored anew for every try of weights; here those that any part puts on top are counted one by one, and the others
are estimated from a random draw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recsys.contract import F32, F64, I64, Flags, Queries, Rows, Run, Scorer, Split
from recsys.data.split import keep
from recsys.errors import FitError
from recsys.models.guard import check_deadline
from recsys.scorers.blend import Scale, scale_part

CUSTOMERS, PER_CUSTOMER = 2500, 4  # asked; held-out products of each
TOP, DRAWN = 400, 400  # products counted one by one; drawn among the others
BLOCK_CELLS = 4_000_000  # scores held at once
NEVER = np.float32(-1e6)  # what stands for no product: behind everything at any weights
STARTS, FIRST_STEP, MOST = (0.0, 0.25), 0.3, 5.0  # weights relative to the best part's
SMALLEST = 0.01  # a smaller weight is no weight: its part need not be scored


@dataclass(frozen=True)
class Sample:
    """What P parts say, scaled: of n held-out products, and of the products that compete with them."""

    bought: F32  # [n, P]
    owner: I64  # [n] the customer's row in what follows
    top: F32  # [customers, <= TOP, P]
    drawn: F32  # [customers, <= DRAWN, P]
    each: F32  # [customers] how many products one drawn product stands for


def learn(sample: Sample, run: Run) -> F64:
    """Weights [P], none negative, adding up to 1, never worse than the best part alone. FitError past the deadline.

    Nelder and Mead's simplex (1965) over the weights relative to the best part's: a rank moves in steps, so there is
    no derivative to follow. Twice: from that part alone, and from a little of every other one.
    """
    parts = sample.bought.shape[1]
    alone = [mean_log_rank(sample, w) for w in np.eye(parts)]
    best = int(np.argmin(alone))
    found: F64 = np.eye(parts)[best]
    least = alone[best]
    for step, start in enumerate(STARTS if parts > 1 else ()):
        weights = _simplex(sample, best, start, run)
        loss = mean_log_rank(sample, weights)
        run.log(step, mean_log_rank=loss)
        if loss < least:
            found, least = weights, loss
    return found


def _simplex(sample: Sample, best: int, start: float, run: Run) -> F64:
    from scipy.optimize import minimize

    parts = sample.bought.shape[1]
    others = np.delete(np.arange(parts), best)
    tries = 0

    def whole(relative: F64) -> F64:
        weights = np.ones(parts)
        weights[others] = relative
        return weights

    def loss(relative: F64) -> float:
        nonlocal tries
        check_deadline(run, "blend", f"{tries} tries of weights")
        tries += 1
        return mean_log_rank(sample, whole(relative))

    corner = np.full(parts - 1, start)
    options = {
        "xatol": 0.01,
        "fatol": 1e-4,
        "maxfev": 60 * parts,
        "initial_simplex": np.vstack([corner, corner + FIRST_STEP * np.eye(parts - 1)]),
    }
    found = minimize(loss, corner, method="Nelder-Mead", bounds=[(0, MOST)] * (parts - 1), options=options)
    weights = whole(found.x) / whole(found.x).sum()
    weights = np.where(weights < SMALLEST, 0, weights)
    kept: F64 = weights / weights.sum()
    return kept


def mean_log_rank(sample: Sample, weights: F64) -> float:
    """Mean over customers of the mean natural log of their held-out products' ranks; a tie counts as lost."""
    w = weights.astype(np.float32)
    own = (sample.bought @ w)[:, None]
    ahead = ((sample.top @ w)[sample.owner] >= own).sum(axis=1)
    rest = ((sample.drawn @ w)[sample.owner] >= own).sum(axis=1)
    log_rank = np.log(1 + ahead + sample.each[sample.owner] * rest)
    customers = np.bincount(sample.owner, minlength=len(sample.top))
    return float(np.mean(np.bincount(sample.owner, log_rank, len(sample.top)) / np.maximum(customers, 1)))


def draw(parts: Mapping[str, Scorer], held: Split, scale: Scale, run: Run) -> Sample:
    """A sample of the held-out days by the run's seed; raises FitError when nobody bought a known product then.

    Products a customer already had do not compete, unless the held-out days show such products bought again.
    """
    rng = np.random.default_rng(run.seed)
    bought = _bought(held)
    had = held.queries.history.seen(bought.shape[1])
    repeats = bool(bought.multiply(had).nnz)
    asked = np.flatnonzero(np.diff(bought.indptr))
    if not len(asked):
        raise FitError("blend", got="no known product bought on the held-out days", wanted="at least one")
    asked = np.sort(rng.permutation(asked)[:CUSTOMERS])
    step = max(1, BLOCK_CELLS // (bought.shape[1] * len(parts)))
    blocks = []
    for at in range(0, len(asked), step):
        check_deadline(run, "blend", f"{at} customers")
        rows = asked[at : at + step]
        scaled = _scaled(parts, held.queries.take(rows), had[rows], scale)
        own = bought[rows].toarray() > 0
        closed = own if repeats else own | (had[rows].toarray() > 0)
        blocks.append(_sample(scaled, own, closed, rng))
    return _join(blocks)


def _bought(held: Split) -> Rows:
    """[queries, m] csr: what each query's customer bought among the products of the past."""
    from scipy import sparse

    truth = keep(held.truth, held.truth.product >= 0)
    ones = np.ones(len(truth.product), dtype=np.float32)
    shape = (len(truth), len(held.queries.space.products))
    return sparse.csr_matrix((ones, truth.product, truth.start), shape=shape)


def _scaled(parts: Mapping[str, Scorer], queries: Queries, had: Rows, scale: Scale) -> F32:
    """[n, m, P]"""
    seen = had.toarray() > 0
    return np.stack([scale_part(part, queries, seen, scale)[0] for part in parts.values()], axis=2)


def _sample(scaled: F32, own: Flags, closed: Flags, rng: np.random.Generator) -> Sample:
    n, m, _ = scaled.shape
    best = np.where(closed, NEVER, scaled.max(axis=2))
    first = np.argpartition(-best, min(TOP, m) - 1, axis=1)[:, :TOP]
    left = ~closed
    np.put_along_axis(left, first, False, axis=1)
    chance = np.where(left, rng.random((n, m), dtype=np.float32), np.float32(2))
    others = np.argpartition(chance, min(DRAWN, m) - 1, axis=1)[:, :DRAWN]
    customer, product = np.nonzero(own)
    turn = rng.permutation(len(customer))
    turn = turn[np.argsort(customer[turn], kind="stable")]
    place = np.arange(len(turn)) - np.searchsorted(customer, customer[turn])
    chosen = np.sort(turn[place < PER_CUSTOMER])
    return Sample(
        scaled[customer[chosen], product[chosen]],
        customer[chosen],
        _taken(scaled, first, ~closed),
        _taken(scaled, others, left),
        (left.sum(axis=1) / np.maximum(np.minimum(left.sum(axis=1), DRAWN), 1)).astype(np.float32),
    )


def _taken(scaled: F32, columns: I64, stands: Flags) -> F32:
    """Cells of these columns [n, k, P]; NEVER where the column does not stand for a competing product."""
    cells = np.take_along_axis(scaled, columns[:, :, None], axis=1)
    cells[~np.take_along_axis(stands, columns, axis=1)] = NEVER
    return cells


def _join(blocks: list[Sample]) -> Sample:
    before = np.cumsum([0, *(len(b.top) for b in blocks)])
    return Sample(
        np.concatenate([b.bought for b in blocks]),
        np.concatenate([b.owner + first for b, first in zip(blocks, before, strict=False)]),
        np.concatenate([b.top for b in blocks]),
        np.concatenate([b.drawn for b in blocks]),
        np.concatenate([b.each for b in blocks]),
    )
