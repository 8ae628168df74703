"""Off-policy estimates of whole slates: several arms shown together, their outcomes added up.

s = slates, l = slots. A slot beyond a slate's end has weight 1 and outcome 0. Estimates are per slate. Each rests on
an assumption about what moves a slot's outcome: anything in the slate (SIPS), only the slot's own arm (IIPS), or the
arms from the top down to it (RIPS and cascade-DR: McInerney et al. 2020, Kiyohara et al. 2022). RIPS is the default;
SIPS is worth showing where its effective sample size passes the gate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.contract import F64, I64
from recsys.errors import DataError
from recsys.evaluation.exposures import Exposures
from recsys.evaluation.gate import Diagnostics, judge
from recsys.evaluation.offpolicy import Estimate, Method, Settings, group_of, interval, per_group, ratio


@dataclass(frozen=True)
class Slates:
    """A log by slate; slot 0 is the top."""

    weight: F64  # [s, l] target / propensity of each slot's arm, given the arms above it
    outcome: F64  # [s, l]
    visitor: I64  # [s]
    row: I64  # [s, l] exposure of the log, -1 beyond the slate's end


def by_slate(log: Exposures, target: F64) -> Slates:
    """Lay a log out by slate; `target` [n] is the target's probability of each logged arm given those above it.

    Raises DataError unless every slate has the positions 1, 2, .. without gaps or repeats.
    """
    order = np.lexsort((log.position, log.slate))
    slates, first, sizes = np.unique(log.slate[order], return_index=True, return_counts=True)
    owner = np.repeat(np.arange(len(slates)), sizes)
    slot = np.arange(len(log)) - first[owner]
    wrong = log.position[order] != slot + 1
    if wrong.any():
        at = int(np.argmax(wrong))
        got = f"position {log.position[order][at]} where {slot[at] + 1} was expected"
        raise DataError("A slate of the log", got=got, wanted="positions 1, 2, 3 .. once each", cure=_GAP)
    shape = (len(slates), int(sizes.max()))
    row = np.full(shape, -1, dtype=np.int64)
    row[owner, slot] = order
    inside = row >= 0
    weight = np.where(inside, (target / log.propensity)[row], 1.0)
    return Slates(weight, np.where(inside, log.outcome[row], 0.0), log.visitor[order][first], row)


_GAP = "Log every slot of a slate, or give each exposure a slate of its own."


def evaluate_slates(slates: Slates, model: F64 | None = None, settings: Settings = Settings()) -> tuple[Estimate, ...]:
    """RIPS, cascade-DR where there is a model, IIPS and SIPS; each behind the gate of its own mean weight per slate.

    `model` [2, s, l]: outcome from this slot down, as modelled given the arms above it: of the logged arm, and of the
    target's draw.
    """
    w, r = slates.weight, slates.outcome
    prefix = np.cumprod(w, axis=1)
    whole, above, own = np.asarray(prefix[:, -1]), np.asarray(prefix.mean(axis=1)), np.asarray(w.mean(axis=1))
    found = [
        _estimate("rips", (prefix * r).sum(axis=1), above, slates, settings),
        _estimate("iips", (w * r).sum(axis=1), own, slates, settings),
        _estimate("sips", whole * r.sum(axis=1), whole, slates, settings),
    ]
    if model is not None:
        terms = cascade_terms(w, r, model[0], model[1])
        found.insert(1, _estimate("cascade_dr", terms, above, slates, settings))
    return tuple(found)


def cascade_terms(weight: F64, outcome: F64, logged: F64, expected: F64) -> F64:
    """Cascade-DR term of each slate, [s] from four [s, l] (Kiyohara et al. 2022, eq. 10).

    sum over slots of W_l (r_l - logged_l) + W_(l-1) expected_l, where W_l is the product of the weights down to l;
    unbiased for any model that looks at the arms down to l, and exact where the model is.
    """
    prefix = np.cumprod(weight, axis=1)
    above = np.hstack([np.ones((len(weight), 1)), prefix[:, :-1]])
    return np.asarray((prefix * (outcome - logged) + above * expected).sum(axis=1))


def arm_model(slates: Slates, arm: I64, table: F64, fold: I64, prior: float = 100.0) -> F64:
    """Cross-fitted mean outcome per slot and arm as the model of cascade-DR, [2, s, l].

    `arm` [s, l] rows of arms (-1 beyond the end), `table` [l, arms] the target's probabilities, `fold` [s]. A slot's
    own outcome only: rougher than a recursive model, and as unbiased.
    """
    k, inside = table.shape[1], arm >= 0
    logged, expected = np.zeros(arm.shape), np.zeros(arm.shape)
    for held_out in np.unique(fold):
        rows, rest = fold == held_out, fold != held_out
        for slot in range(arm.shape[1]):
            use = rest & inside[:, slot]
            count = np.bincount(arm[use, slot], minlength=k)
            total = np.bincount(arm[use, slot], weights=slates.outcome[use, slot], minlength=k)
            mean = (total + prior * total.sum() / max(count.sum(), 1)) / (count + prior)
            logged[rows, slot] = np.where(inside[rows, slot], mean[arm[rows, slot]], 0)
            expected[rows, slot] = np.where(inside[rows, slot], table[slot] @ mean, 0)
    return np.stack([logged, expected])


def _estimate(method: Method, term: F64, weight: F64, slates: Slates, settings: Settings) -> Estimate:
    """Mean of `term` [s] over slates, judged by the weights [s] it rests on."""
    group = group_of(slates.visitor)
    ones, w = per_group(group, np.ones(len(term))), per_group(group, weight)
    value, se = ratio(per_group(group, term), ones)
    mean, mean_se = ratio(w, ones)
    ess = weight.sum() ** 2 / max((weight**2).sum(), 1e-300)
    found = Diagnostics(
        n=len(term),
        groups=int((ones > 0).sum()),
        ess=float(ess),
        ess_share=float(ess / len(term)),
        mean_weight=mean,
        mean_weight_se=mean_se,
        max_weight=float(weight.max()),
        max_share=float(weight.max() / weight.sum()) if weight.sum() else 1.0,
        min_propensity=1.0,  # propensities are the row-wise diagnostics' business
        below_floor=0,
        unseen=0.0,
    )
    status, reasons = judge(found, settings.gate)
    return interval(method, value, se, len(term), settings, status, reasons)
