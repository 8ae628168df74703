"""The product x market panel every rung estimates from: offers with their names, columns and levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from recsys.contract import F64, I32, Flags, Index, Offers, Space
from recsys.errors import ConfigError, DataError
from recsys.scorers.choice import columns_of, segment_of

EFFECTS = ("product", "segment", "period", "market", "firm")


@dataclass(frozen=True)
class Panel:
    """Rows = alternatives offered in markets; n rows, T markets."""

    offers: Offers
    space: Space
    levels: Mapping[str, I32] = field(default_factory=dict)  # further categorical columns, [n] each
    supply_instruments: F64 | None = None  # [n, z]

    def __len__(self) -> int:
        return len(self.offers.market)

    @cached_property
    def shares(self) -> F64:
        """[n] observed shares of the market size; raises DataError where they are absent or make no sense."""
        s = self.offers.shares
        if s is None:
            raise DataError("The panel has no shares", wanted="a share of each offered product", cure="Give units.")
        inside = np.bincount(self.offers.market, s, minlength=len(self.space.markets))
        if not (s >= 0).all() or (inside >= 1).any():
            worst = str(self.space.markets.ids[int(inside.argmax())])
            raise DataError(
                f"Shares of market {worst!r}",
                got=f"a sum of {inside.max():.4f} and a least share of {s.min():.4g}",
                wanted="shares >= 0 that leave room for buying nothing",
                cure="Raise the market size.",
            )
        if not s.any():
            raise DataError("The panel", got="no unit sold anywhere", cure="Check the dates and the market size.")
        return s

    @cached_property
    def outside(self) -> F64:
        """[n] share of the market that buys nothing."""
        inside = np.bincount(self.offers.market, self.shares, minlength=len(self.space.markets))
        return np.asarray(1 - inside[self.offers.market])

    @cached_property
    def columns(self) -> Mapping[str, F64]:
        return columns_of(self.offers)

    def level(self, name: str) -> I32:
        """[n] level 0.. of an effect; every level occurs."""
        raw = self._raw_level(name)
        return np.unique(raw, return_inverse=True)[1].astype(np.int32)

    def effects(self, names: tuple[str, ...]) -> tuple[I32, ...]:
        return tuple(self.level(name) for name in names)

    def take(self, rows: Flags) -> Panel:
        """The flagged rows; every index stays."""
        supply = None if self.supply_instruments is None else self.supply_instruments[rows]
        return Panel(self.offers.take(rows), self.space, {k: v[rows] for k, v in self.levels.items()}, supply)

    def _raw_level(self, name: str) -> I32:
        if name in self.levels:
            return self.levels[name]
        if name == "product":
            return self.offers.alternative
        if name == "market":
            return self.offers.market
        if name == "firm":
            return self.offers.firm
        if name == "segment":
            return self.segment
        if name == "period":
            return self.period
        known = ", ".join((*EFFECTS, *self.levels))
        raise ConfigError("Fixed effects", got=repr(name), wanted=f"one of {known}")

    @cached_property
    def segment(self) -> I32:
        """[n] row of Space.segments, -1 for a market whose segment is no row there."""
        of = self.space.segments.rows(segment_of(str(m)) for m in self.space.markets.ids)
        return of[self.offers.market]

    @cached_property
    def period(self) -> I32:
        """[n] row number of the period among the periods of all markets, in text order."""
        names = [str(m).rpartition("@")[2] for m in self.space.markets.ids]
        return Index.of(names).rows(names)[self.offers.market]


def require_choice(panel: Panel) -> Panel:
    """The panel itself; raises DataError where no market offers two products to choose between."""
    largest = int(np.bincount(panel.offers.market).max(initial=0))
    if largest < 2:
        raise DataError(
            "The panel", got=f"{largest} product in every market", wanted="at least two in some market",
            cure="Use larger markets (longer periods, fewer regions), or a panel with the rival products.",
        )  # fmt: skip
    return panel
