"""What the visitors of one market choose between, and what follows when the offer changes.

    u_rj = delta_j + mu_rj + e,   outside good u_r0 = 0 + e,   e nested extreme value with parameter rho
    s_rj = exp(u_rj / (1 - rho)) / D_rg^rho / (1 + sum_h D_rh^(1 - rho)),   D_rg = sum over nest g of exp(u / (1 - rho))
    s_j  = sum_r w_r s_rj                                        the integral over tastes by R weighted draws

(Berry, Levinsohn and Pakes 1995; Cardell 1997.) With rho = 0 and one draw this is plain logit. Shapes: R draws, J
alternatives.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from recsys.contract import F64, I32, Flags


@dataclass(frozen=True)
class MarketChoice:
    """One market: utilities relative to the outside good, and the draws they were computed for."""

    utility: F64  # [R, J]
    weight: F64  # [R] >= 0, sums to 1
    price: F64  # [J]
    price_effect: F64  # [R] utility per unit of price, normally < 0
    nests: I32 | None = None  # [J] nest of each alternative, 0..
    rho: float = 0.0  # in [0, 1): how alike the alternatives of a nest are

    def probabilities(self) -> F64:
        """s_rj, [R, J]: probability of each alternative for each draw; the rest to 1 buys nothing."""
        if self.nests is None or self.rho == 0:
            top = np.maximum(self.utility.max(axis=1, initial=0.0), 0.0)[:, None]
            strength = np.exp(self.utility - top)
            inside: F64 = strength / (np.exp(-top) + strength.sum(axis=1, keepdims=True))
            return inside
        within, nest = self._nested()
        return within * nest[:, self.nests]

    def shares(self) -> F64:
        """s_j, [J]."""
        return np.asarray(self.weight @ self.probabilities())

    def price_jacobian(self) -> F64:
        """d s_j / d p_k, [J, J]."""
        s = self.probabilities()
        slope = self.weight * self.price_effect
        if self.nests is None or self.rho == 0:
            return np.asarray(np.diag(slope @ s) - (s * slope[:, None]).T @ s)
        within, _ = self._nested()
        together = self.nests[:, None] == self.nests[None, :]
        steep = 1 / (1 - self.rho)
        own = np.diag(slope @ s) * steep
        rivals = self.rho * steep * ((s * slope[:, None]).T @ within) * together + (s * slope[:, None]).T @ s
        return np.asarray(own - rivals)

    def own_elasticities(self) -> F64:
        """d log s_j / d log p_j, [J], without the whole matrix."""
        s = self.probabilities()
        total = self.weight @ s
        slope = self.weight * self.price_effect
        if self.nests is None or self.rho == 0:
            own = slope @ (s * (1 - s))
        else:
            within, _ = self._nested()
            own = slope @ (s * ((1 - self.rho * within) / (1 - self.rho) - s))
        return np.asarray(own * self.price / np.maximum(total, 1e-300))

    def elasticities(self) -> F64:
        """d log s_j / d log p_k, [J, J]: row = whose share moves, column = whose price."""
        return np.asarray(self.price_jacobian() * self.price[None, :] / np.maximum(self.shares(), 1e-300)[:, None])

    def markups(self, firm: I32) -> F64:
        """p - c in money, [J], of firms that each set all their prices (Bertrand-Nash): -(O * ds/dp')^-1 s."""
        slope = self.price_jacobian().T * (firm[:, None] == firm[None, :])
        return np.asarray(np.linalg.lstsq(-slope, self.shares(), rcond=None)[0])

    def diversion(self, of: I32 | None = None) -> F64:
        """Long-run diversion, [len(of) or J, J]: of j's buyers, the part that takes k when j is gone; in column j
        itself: the part that buys nothing."""
        before = self.shares()
        gone = np.arange(len(before)) if of is None else of
        rows = np.empty((len(gone), len(before)))
        for row, j in zip(rows, gone, strict=True):
            stays = np.arange(len(before)) != j
            after = np.zeros(len(before))
            after[stays] = self.only(stays).shares()
            row[:] = (after - before) / before[j]
            row[j] = (before.sum() - after.sum()) / before[j]
        return rows

    def surplus(self) -> F64:
        """Consumer surplus per visitor and draw in money, [R]: (Small and Rosen 1981), NaN where price attracts."""
        top = np.maximum(self.utility.max(axis=1, initial=0.0), 0.0)[:, None]
        if self.nests is None or self.rho == 0:
            inclusive = (top + np.log(np.exp(-top) + np.exp(self.utility - top).sum(axis=1, keepdims=True)))[:, 0]
        else:
            inclusive = np.logaddexp.reduce(
                np.column_stack([np.zeros(len(self.weight)), (1 - self.rho) * self._inclusive()]), axis=1
            )
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.price_effect < 0, inclusive / -self.price_effect, np.nan)

    def response(self, j: int, price: float, part: float = 1.0) -> float:
        """Units of product at the new price / at the old one, all else equal; it is `part` of alternative j.

        Within one draw odds move by exp(price effect * change) alone; nests are left out of it (IIA in the draw).
        """
        s = part * self.probabilities()[:, j]
        odds = np.exp(np.clip(self.price_effect * (price - self.price[j]), -50, 50))
        return float(self.weight @ (s * odds / (1 + s * (odds - 1))) / max(float(self.weight @ s), 1e-300))

    def only(self, stays: Flags) -> MarketChoice:
        """The market with the flagged alternatives alone."""
        nests = None if self.nests is None else self.nests[stays]
        return dataclasses.replace(self, utility=self.utility[:, stays], price=self.price[stays], nests=nests)

    def at_prices(self, price: F64) -> MarketChoice:
        """The market at other prices, [J]."""
        moved = self.utility + self.price_effect[:, None] * (price - self.price)[None, :]
        return dataclasses.replace(self, utility=moved, price=price)

    def with_added(self, utility: F64, price: float, nest: int = -1) -> MarketChoice:
        """The market with one more alternative, last; utility [R] at that price; nest -1 is a nest of its own."""
        nests = self.nests
        if nests is not None:
            nests = np.append(nests, nest if nest >= 0 else nests.max(initial=-1) + 1).astype(np.int32)
        return dataclasses.replace(
            self,
            utility=np.column_stack([self.utility, utility]),
            price=np.append(self.price, price),
            nests=nests,
        )

    def _inclusive(self) -> F64:
        """log D_rg, [R, nests]; -inf for a nest without alternatives."""
        assert self.nests is not None
        _, of = np.unique(self.nests, return_inverse=True)
        scaled = self.utility / (1 - self.rho)
        values = np.full((len(scaled), of.max() + 1), -np.inf)
        for g in range(values.shape[1]):
            values[:, g] = np.logaddexp.reduce(scaled[:, of == g], axis=1)
        return values

    def _nested(self) -> tuple[F64, F64]:
        """(probability within the nest [R, J], probability of the nest by nest id [R, max id + 1])."""
        assert self.nests is not None
        ids, of = np.unique(self.nests, return_inverse=True)
        inclusive = self._inclusive()
        within = np.exp(self.utility / (1 - self.rho) - inclusive[:, of])
        value = (1 - self.rho) * inclusive
        total = np.logaddexp.reduce(np.column_stack([np.zeros(len(value)), value]), axis=1)
        nest = np.zeros((len(value), int(ids.max()) + 1))
        nest[:, ids] = np.exp(value - total[:, None])
        return within, nest
