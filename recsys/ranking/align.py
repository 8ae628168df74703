"""The only translator between two nights: queries asked in one space, scored by a scorer of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy import sparse

from recsys.contract import F32, I32, Events, Features, Index, Queries, Rows, Scorer
from recsys.ranking.topk import blocks


def align(queries: Queries, scorer: Scorer) -> Queries:
    """The same queries in the scorer's rows; customers, products and features it does not know drop out.

    Markets keep the queries' rows and index: today's market is new to every scorer, which finds it by its id.
    """
    ours = queries.space
    theirs = replace(scorer.space, markets=ours.markets)
    features = _columns(queries.features, scorer.inputs)
    if theirs.products.digest == ours.products.digest and theirs.customers.digest == ours.customers.digest:
        segment = _move(queries.segment, ours.segments, theirs.segments)
        return replace(queries, space=theirs, segment=segment, features=features)
    product = ours.products.map_to(theirs.products)
    return replace(
        queries,
        space=theirs,
        customer=_move(queries.customer, ours.customers, theirs.customers),
        history=_move_events(queries.history, product),
        basket=None if queries.basket is None else _move_columns(queries.basket, product, len(theirs.products)),
        features=features,
        segment=_move(queries.segment, ours.segments, theirs.segments),
    )


def score_blocks(scorer: Scorer, queries: Queries, fallback: Scorer | None = None) -> Iterator[tuple[slice, F32]]:
    """(rows, float32[rows, m] in the queries' own products) in blocks of bounded memory.

    A row the scorer has no opinion on at all is answered by the fallback, so that what is judged is what is served.
    """
    aligned = align(queries, scorer)
    back = queries.space.products.map_to(scorer.space.products)
    same = scorer.space.products.digest == queries.space.products.digest
    for rows in blocks(len(queries), max(len(queries.space.products), len(scorer.space.products))):
        scores = scorer.score(aligned.take(rows))
        if not same:
            scores = np.where(back >= 0, scores[:, np.maximum(back, 0)], np.float32(np.nan))
        yield rows, _fill(scores, queries.take(rows), fallback)


def _fill(scores: F32, queries: Queries, fallback: Scorer | None) -> F32:
    silent = np.flatnonzero(~np.isfinite(scores).any(axis=1))
    if fallback is None or not len(silent):
        return scores
    filled = scores.copy()
    for part, answer in score_blocks(fallback, queries.take(silent)):
        filled[silent[part]] = answer
    return filled


def _move(rows: I32, ours: Index, theirs: Index) -> I32:
    if not len(ours):
        return np.full(len(rows), -1, dtype=np.int32)
    moved = ours.map_to(theirs)[np.maximum(rows, 0)]
    return np.where(rows >= 0, moved, -1).astype(np.int32)


def _move_events(history: Events, product: I32) -> Events:
    moved = product[history.product] if len(product) else history.product
    stays = moved >= 0
    owner = np.repeat(np.arange(len(history)), np.diff(history.start))[stays]
    start = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(history)))]).astype(np.int64)
    return Events(start, moved[stays], history.time[stays], history.weight[stays], history.market[stays])


def _move_columns(rows: Rows, to: I32, width: int) -> Rows:
    cells = rows.tocoo()
    column = to[cells.col]
    stays = column >= 0
    return sparse.csr_matrix((cells.data[stays], (cells.row[stays], column[stays])), shape=(rows.shape[0], width))


def _columns(features: Features, inputs: Index) -> Features:
    if features.columns.digest == inputs.digest:
        return features
    return Features(_move_columns(features.matrix, features.columns.map_to(inputs), len(inputs)), inputs)
