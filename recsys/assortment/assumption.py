"""What a what-if rests on: inputs as distributions, ranges of the answer, and the source's own arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from recsys.contract import F64
from recsys.errors import UsageError

LEVEL = 0.90


@dataclass(frozen=True)
class Input:
    """A number that is known, or believed: fixed, a share with a beta distribution, an amount with a lognormal one."""

    mean: float
    sd: float = 0.0  # 0 = fixed
    kind: Literal["beta", "lognormal"] = "beta"

    def draw(self, rng: np.random.Generator, size: int) -> F64:
        """float64[size]; raises UsageError where no such distribution has this mean and standard deviation."""
        if self.sd == 0:
            return np.full(size, self.mean)
        if self.kind == "lognormal" and self.mean > 0:
            spread = np.log1p((self.sd / self.mean) ** 2)
            return rng.lognormal(np.log(self.mean) - spread / 2, np.sqrt(spread), size)
        if self.kind == "beta" and 0 < self.mean < 1 and self.sd**2 < self.mean * (1 - self.mean):
            strength = self.mean * (1 - self.mean) / self.sd**2 - 1
            return rng.beta(self.mean * strength, (1 - self.mean) * strength, size)
        raise UsageError(
            f"A {self.kind} input", got=f"mean {self.mean:g}, standard deviation {self.sd:g}",
            wanted="beta: mean in (0, 1), sd^2 < mean (1 - mean); lognormal: mean > 0",
            cure="Lower the standard deviation, or fix it at 0.",
        )  # fmt: skip


def input_of(text: str) -> Input:
    """`0.1` is fixed, `0.1,0.02` a beta distribution with that mean and standard deviation; raises UsageError."""
    try:
        mean, sd = (*(float(part) for part in text.split(",")), 0.0)[:2]
    except ValueError:
        mean, sd = np.nan, 0.0
    if not (0 <= mean <= 1 and 0 <= sd < 1):
        raise UsageError(f"'{text}'", wanted="a share in [0, 1], or mean,sd", cure="Give fractions: 0.1, not 10.")
    found = Input(mean, sd)
    found.draw(np.random.default_rng(0), 1)
    return found


@dataclass(frozen=True)
class Range:
    """A middle value and its 90 % interval."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, draws: F64, middle: float | None = None) -> Range:
        """The interval of draws, around their median or a given point."""
        low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return cls(float(np.median(draws)) if middle is None else middle, float(low), float(high))


@dataclass(frozen=True)
class Assumptions:
    """What a shop's orders cannot tell. Shares are in [0, 1]."""

    uptake: Input = Input(0.10)  # single-item orders that would take one more item
    cannibalised: Input = Input(0.0)  # part of the added lines that would have been bought anyway
    returned: Input = Input(0.0)  # part of the added sales that comes back
    profit_share: Input = Input(1.0 / 3.5)  # the company's profit per unit of added sales
    hit_rate: float | None = None  # the champion's offline hit rate on second items

    def stated(self) -> dict[str, str]:
        """Each assumption in words, to be printed beside every result."""
        words = {
            name: f"{given.mean:.4g}" + (f" +- {given.sd:.2g} ({given.kind})" if given.sd else " (fixed, assumed)")
            for name, given in vars(self).items()
            if isinstance(given, Input)
        }
        return words | ({} if self.hit_rate is None else {"hit_rate": f"{self.hit_rate:.4g} (measured offline)"})


@dataclass(frozen=True)
class Arithmetic:
    """The source's claim: a tenth of 2.0 million single-item orders taking one more item is $3.5M, over $1M profit."""

    orders: float = 2_000_000
    single_share: float = 1.0  # not stated in the source
    uptake: float = 0.10
    sales: float = 3_500_000
    profit: float = 1_000_000

    def __post_init__(self) -> None:
        if min(self.orders, self.single_share, self.uptake, self.sales) <= 0 or max(self.single_share, self.uptake) > 1:
            raise UsageError(
                "The opportunity's assumptions", got=str(self), wanted="orders and sales > 0, shares in (0, 1]",
                cure="Give shares as fractions: 0.1, not 10.",
            )  # fmt: skip

    @property
    def converted(self) -> float:
        """Orders that take one more item."""
        return self.orders * self.single_share * self.uptake

    @property
    def per_order(self) -> float:
        """Sales each of them must add."""
        return self.sales / self.converted

    @property
    def profit_share(self) -> float:
        """Profit per unit of added sales."""
        return self.profit / self.sales
