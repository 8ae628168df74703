"""Candidates of a batch: the products its targets compete with, and the chance of each to be among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.contract import F32, F64, I32, I64

NEVER = -1e9  # added to a logit that must not count; minus infinity would make a row of none NaN


@dataclass(frozen=True)
class Sampler:
    """How candidates are drawn: targets of the batch, and `random` draws with equal chances from the products sold.

    `negatives`: how many products the candidates stand for, where not for all that are sold.
    """

    share: F64  # [m] of all targets; 0 = never sold
    random: int
    in_batch: bool = True
    negatives: int | None = None

    def draw(self, target: I32, rng: np.random.Generator) -> tuple[I32, F32]:
        """Distinct products in order, the targets among them, and log(negatives / sold / chance to be drawn) or NEVER.

        Mixed negatives (Yang et al. 2020). A target that is no candidate itself is NEVER; all products sold are
        candidates where `random` reaches their number, and then the loss is the exact one.
        """
        sold = np.flatnonzero(self.share).astype(np.int32)
        fewer = np.float32(0 if self.negatives is None else min(0, np.log(self.negatives / len(sold))))
        if self.random >= len(sold):
            return sold, np.full(len(sold), fewer)
        drawn = rng.choice(sold, self.random)
        product = np.unique(np.concatenate([target, drawn]))
        added = fewer - self.log_chance(product, len(target))
        if not self.in_batch:
            added[~np.isin(product, drawn)] = NEVER
        return product, added

    def log_chance(self, product: I32, targets: int) -> F32:
        """log(1 - (1 - share)^targets (1 - 1/sold)^random): not to be missed by every draw."""
        missed = np.full(len(product), self.random * np.log1p(-1 / np.count_nonzero(self.share)))
        if self.in_batch:
            missed += targets * np.log1p(-np.minimum(self.share[product], 1 - 1e-9))
        log_chance: F32 = np.log(-np.expm1(missed)).astype(np.float32)
        return log_chance


def drop_known(added: F32, slot: I64, owner: I64, bought: I32, n: int) -> F32:
    """float32[n, candidates]: `added` for each row, NEVER where the row's customer bought the candidate.

    Accidental hits: a product that the customer did buy is no negative, whichever visit brought it. `slot` is each
    product's place among the candidates or -1; (owner, bought) are pairs of row and product.
    """
    rows = np.repeat(added[None, :], n, axis=0)
    at = slot[bought]
    hit = at >= 0
    rows[owner[hit], at[hit]] = NEVER
    return rows
