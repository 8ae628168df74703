"""A product nobody has bought yet: its expected worth from those that are like it.

    worth_j = a + sum_k b_k f_jk + e_j      ridge over the alternatives of the fit, penalty chosen by leave-one-out

f are the usual price (dear products are dear for a reason), the attributes of the offers (means over markets), the
category and the seller.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.contract import F64, I32
from recsys.scorers import terms
from recsys.scorers.choice import ChoiceScorer
from recsys.scorers.market import MarketChoice

PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0)  # times the number of alternatives
BETWEEN = 0.2  # variance of worth between products that look alike


@dataclass(frozen=True)
class Newcomer:
    """What is known of a new product."""

    price: float
    attributes: dict[str, float]  # by the offers' attribute names; a missing one is 0
    firm: int = -1  # row of Space.sellers
    nest: int = -1


def utilities(scorer: ChoiceScorer, market: int, newcomer: Newcomer) -> F64:
    """[R] utility of the newcomer at its price in a market of the fit, for each draw of tastes."""
    columns = {terms.PRICE: np.array([newcomer.price])}
    columns |= {name: np.array([newcomer.attributes.get(name, 0.0)]) for name in scorer.offers.attribute_names}
    u = scorer.utility
    delta = float((terms.design(u.terms, columns, 1) @ u.beta)[0]) + expected_worth(scorer, newcomer)
    at = scorer.rows_of(market)
    known = terms.design(u.terms, {k: v[at] for k, v in _columns(scorer).items()}, len(at)) @ u.beta
    delta += float(np.mean(u.delta[at] - known - u.alternative[scorer.offers.alternative[at]]))  # segment and period
    taste = terms.design(scorer.tastes.terms, columns, 1) @ scorer.tastes.value[int(scorer.tastes.group[market])].T
    return np.asarray(delta + taste[0])


def choice_with(scorer: ChoiceScorer, market: int, newcomer: Newcomer) -> MarketChoice:
    """The market with the newcomer, last."""
    return scorer.market(market).with_added(utilities(scorer, market, newcomer), newcomer.price, newcomer.nest)


def expected_worth(scorer: ChoiceScorer, newcomer: Newcomer) -> float:
    """What the newcomer is worth apart from price and the attributes in mean utility."""
    seen = np.unique(scorer.offers.alternative)
    features, firms, nests = _features(scorer, seen)
    own = [newcomer.attributes.get(name, 0.0) for name in _described(scorer)]
    parts = [[np.log(newcomer.price)], own, firms == newcomer.firm, nests == newcomer.nest]
    row = np.concatenate(parts).astype(np.float64)
    worth = scorer.utility.alternative[seen]
    return float(ridge_predict(features, worth, row[None, :], _precision(scorer, seen))[0])


def ridge_predict(features: F64, y: F64, rows: F64, weight: F64 | None = None) -> F64:
    """Ridge predictions at `rows`; columns standardised, the penalty that predicts best left-one-out (Allen 1974).

    weight [n] is the precision of each y.
    """
    w = np.ones(len(y)) if weight is None else weight / weight.mean()
    centre = np.average(features, axis=0, weights=w)
    scale = np.sqrt(np.average((features - centre) ** 2, axis=0, weights=w))
    varies, mean = scale > 1e-9, float(np.average(y, weights=w))
    x, at = ((m[:, varies] - centre[varies]) / scale[varies] for m in (features, rows))
    if not x.shape[1]:
        return np.full(len(rows), mean)
    root = np.sqrt(w)
    U, d, V = np.linalg.svd(x * root[:, None], full_matrices=False)
    target = U.T @ ((y - mean) * root)

    def left_out(penalty: float) -> float:
        shrink = d**2 / (d**2 + penalty)
        leverage = (U**2 * shrink).sum(axis=1) + w / w.sum()
        residual = (y - mean) * root - U @ (shrink * target)
        return float(((residual / np.maximum(1 - leverage, 1e-6)) ** 2).mean())

    best = min((p * len(y) for p in PENALTIES), key=left_out)
    return np.asarray(mean + at @ (V.T @ (d / (d**2 + best) * target)))


def _features(scorer: ChoiceScorer, seen: I32) -> tuple[F64, I32, I32]:
    """(features [seen, f], firm of each firm column, nest of each nest column)."""
    o = scorer.offers
    row = np.zeros(len(o.alternatives), dtype=np.int64)
    row[o.alternative] = np.arange(len(o.alternative))  # the last row of each alternative
    count = np.bincount(o.alternative, minlength=len(o.alternatives))[seen]
    described = [np.log(o.price), *(o.attributes[:, o.attribute_names.index(name)] for name in _described(scorer))]
    means = [np.bincount(o.alternative, c, minlength=len(o.alternatives))[seen] / count for c in described]
    firms = np.unique(o.firm)
    nests = np.unique(o.nests) if o.nests is not None else np.empty(0, dtype=np.int32)
    parts = [*means, *(o.firm[row[seen]][:, None] == firms[None, :]).T.astype(np.float64)]
    if o.nests is not None:
        parts += list((o.nests[row[seen]][:, None] == nests[None, :]).T.astype(np.float64))
    return np.column_stack(parts) if parts else np.empty((len(seen), 0)), firms, nests


def _precision(scorer: ChoiceScorer, seen: I32) -> F64:
    """[seen] 1 / (spread of worth between products + sampling error of a worth learnt from so many units)."""
    o = scorer.offers
    if o.shares is None:
        return np.ones(len(seen))
    units = np.bincount(o.alternative, o.shares * o.size[o.market], minlength=len(o.alternatives))[seen]
    return np.asarray(1 / (BETWEEN + 1 / (units + 1)))


def _described(scorer: ChoiceScorer) -> list[str]:
    """Attributes that describe a product; `retail_...` are what its lines without discounts sold."""
    return [name for name in scorer.offers.attribute_names if not name.startswith("retail_")]


def _columns(scorer: ChoiceScorer) -> dict[str, F64]:
    from recsys.scorers.choice import columns_of

    return dict(columns_of(scorer.offers))
