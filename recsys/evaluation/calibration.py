"""Calibration: from a recommender's scores to the probability that somebody buys a product, or nothing at all.

    P(j | u) = b_s * softmax_j( f(score_uj) / temperature + a * log prior_sj ),     P(nothing | u) = 1 - b_s

Temperature scaling (Guo et al. 2017) with a prior: what sold lately in the segment, known before the days the
calibration is fitted on, so a scorer that ranks well but knows nothing of frequencies becomes a usable choice model.
b_s is the share of a segment's customers who bought in those days; temperature, a and the form f (the score, or its
logarithm where scores are strengths) are those under which what they bought is likeliest. Shapes: n customers,
m products, e purchases.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.contract import F32, F64, I32, Flags
from recsys.errors import EmptyError
from recsys.evaluation.metrics import calibration_error

BINS = 10
LEAST = 200


@dataclass(frozen=True)
class Softmax:
    """How scores become probabilities, and how well that went."""

    sharpness: float  # 1 / temperature, in units of a score; 0 = the scores say nothing
    prior: float  # a
    logarithm: bool  # f
    log_likelihood: float  # per purchase it was fitted on
    ece: float  # by purchases it was not fitted on, NaN without any


def fit_softmax(scores: F32, owner: I32, product: I32, prior: F64, allowed: Flags) -> Softmax:
    """The likeliest softmax for purchases (owner [e] row of scores, product [e]) among the allowed [m].

    prior [n, m] > 0. Fitted on the purchases of every other customer, its ECE measured on the rest. Raises EmptyError
    without a purchase.
    """
    known = (product >= 0) & allowed[np.maximum(product, 0)]
    owner, product = owner[known], product[known]
    if not len(owner):
        raise EmptyError("Calibration", got="no held-out purchase of a product on offer", wanted="at least one")
    learnt = owner % 2 == 0
    learnt = learnt if learnt.any() and not learnt.all() else np.ones(len(owner), dtype=bool)
    tried = [_fit(scores, (owner[learnt], product[learnt]), prior, allowed, form) for form in _forms(scores, allowed)]
    best = max(tried, key=lambda found: found.log_likelihood)
    ece = _ece(chances(scores, best, prior, allowed), owner[~learnt], product[~learnt])
    return Softmax(best.sharpness, best.prior, best.logarithm, best.log_likelihood, ece)


def chances(scores: F32, how: Softmax, prior: F64, allowed: Flags) -> F64:
    """float64[n, m]: probability of each product given that something is bought; 0 where not allowed."""
    found = np.zeros(scores.shape)
    raw = form_of(scores[:, allowed], how.logarithm)
    found[:, allowed] = _softmax(how.sharpness * raw + how.prior * np.log(prior[:, allowed]))
    return found


def form_of(scores: F32, logarithm: bool) -> F64:
    """f(score), float64[n, m]; where a scorer has no opinion, the least it says of anything in that row."""
    raw = scores.astype(np.float64)
    if logarithm:
        with np.errstate(divide="ignore", invalid="ignore"):
            raw = np.where(raw > 0, np.log(raw), np.nan)
    known = np.isfinite(raw)
    least = np.where(known, raw, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    return np.where(known, raw, np.where(np.isfinite(least), least, 0.0))


def purchase_error(p: F64, bought: F64) -> float:
    """Expected calibration error by purchases: cells sorted by their chance fall into ten bins of equal predicted
    purchases; the sum over bins of |predicted - bought| share, in [0, 2]. p and bought are alike in shape."""
    p, bought = p.ravel() / p.sum(), bought.ravel() / bought.sum()
    order = np.argsort(p, kind="stable")
    of = np.minimum((np.cumsum(p[order]) * BINS - 1e-9).astype(np.int64), BINS - 1)
    return float(np.abs(np.bincount(of, (p - bought)[order], minlength=BINS)).sum())


def place_error(bought: Flags, shown: Flags) -> float:
    """Expected calibration error of "place r is bought as often as it was": both [n, k], in [0, 1].

    How often each place was bought is learnt on every other row and judged on the rest; NaN where either half has
    fewer than LEAST rows, whose chance alone could make the difference.
    """
    if len(bought) < 2 * LEAST:
        return float("nan")
    learnt = np.arange(len(bought)) % 2 == 0
    rate = bought[learnt].sum(axis=0) / np.maximum(shown[learnt].sum(axis=0), 1)
    judged = shown[~learnt]
    return calibration_error(np.broadcast_to(rate, judged.shape)[judged], bought[~learnt][judged])


def _fit(scores: F32, bought: tuple[I32, I32], prior: F64, allowed: Flags, logarithm: bool) -> Softmax:
    """Maximum likelihood of a logit with two features, which is concave: both weights at least 0."""
    from scipy.optimize import minimize

    rows, of = np.unique(bought[0], return_inverse=True)
    column = (np.cumsum(allowed) - 1)[bought[1]]
    raw = form_of(scores[np.ix_(rows, np.flatnonzero(allowed))], logarithm)
    scale = float(raw.std()) or 1.0
    features = (raw / scale, np.log(prior[np.ix_(rows, np.flatnonzero(allowed))]))
    count = np.bincount(of)[:, None] / len(of)
    seen = np.array([features[0][of, column].mean(), features[1][of, column].mean()])

    def loss(theta: F64) -> tuple[float, F64]:
        logits = theta[0] * features[0] + theta[1] * features[1]
        p = _softmax(logits)
        top = logits.max(axis=1)
        total = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
        expected = np.array([(count * p * x).sum() for x in features])
        return float(count[:, 0] @ total - theta @ seen), expected - seen

    found = minimize(loss, np.array([0.5, 0.5]), jac=True, method="L-BFGS-B", bounds=[(0, None)] * 2)
    return Softmax(float(found.x[0]) / scale, float(found.x[1]), logarithm, -float(found.fun), np.nan)


def _softmax(logits: F64) -> F64:
    strength = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(strength / strength.sum(axis=1, keepdims=True))


def _forms(scores: F32, allowed: Flags) -> tuple[bool, ...]:
    known = scores[:, allowed]
    known = known[np.isfinite(known)]
    return (False, True) if len(known) and (known >= 0).all() and (known > 0).any() else (False,)


def _ece(p: F64, owner: I32, product: I32) -> float:
    """Over the (customer, product) cells of the asked customers."""
    if not len(owner):
        return float("nan")
    rows, of = np.unique(owner, return_inverse=True)
    bought = np.zeros((len(rows), p.shape[1]))
    np.add.at(bought, (of, product), 1.0)
    return purchase_error(p[rows] * bought.sum(axis=1, keepdims=True), bought)
