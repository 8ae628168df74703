"""What tuning may try, per family, as plain data: a range of a number or a list of words.

Numbers are searched whatever recsys.toml says of them (what it says is the first trial); words only where it says
nothing, because a loss or a similarity that is written down is what the contender is entered for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from recsys.config import Contender
from recsys.errors import UsageError
from recsys.models import catalog
from recsys.models.settings import nearest


@dataclass(frozen=True)
class Number:
    """From low to high, both included; on a logarithmic scale unless `even`."""

    low: float
    high: float
    whole: bool = False
    even: bool = False
    times: int = 0  # above 0: a list of so many equal numbers


@dataclass(frozen=True)
class Words:
    """One of these."""

    options: tuple[str, ...]


Axis: TypeAlias = Number | Words
HALF_LIFE = Number(14, 1000)
WIDTH = Number(16, 256, whole=True)

SPACES: Mapping[str, Mapping[str, Axis]] = {
    "popularity": {"window_days": Number(7, 365, whole=True)},
    "item_neighbours": {
        "similarity": Words(("rp3beta", "asymmetric", "cosine", "tfidf", "bm25")),
        "neighbours": Number(20, 500, whole=True),
        "shrinkage": Number(0.01, 100),
        "attribute_weight": Number(0.1, 30),
        "half_life_days": HALF_LIFE,
    },
    "user_neighbours": {
        "neighbours": Number(30, 1000, whole=True),
        "sharpness": Number(0.5, 4),
        "half_life_days": HALF_LIFE,
    },
    "ease": {"regularisation": Number(5, 20_000), "half_life_days": HALF_LIFE},
    "als": {
        "dimension": WIDTH,
        "regularisation": Number(0.1, 1000),
        "alpha": Number(0.5, 64),
        "half_life_days": HALF_LIFE,
    },
    "lightfm": {
        "loss": Words(("warp", "bpr", "warp-kos", "logistic")),
        "dimension": WIDTH,
        "epochs": Number(5, 60, whole=True),
        "learning_rate": Number(0.005, 0.2),
        "regularisation": Number(1e-7, 1e-4),
        "samples": Number(2, 60, whole=True),
    },
    "factorization_machine": {
        "loss": Words(("softmax", "bpr", "logistic")),
        "query": Words(("history", "both", "customer")),
        "dimension": WIDTH,
        "learning_rate": Number(5e-4, 0.02),
        "negatives": Number(4, 4096, whole=True),
        "dropout": Number(0, 0.6, even=True),
    },
    "two_tower": {
        "join": Words(("cosine", "inner", "distance")),
        "query": Words(("history", "both", "customer")),
        "dimension": WIDTH,
        "learning_rates": Number(5e-4, 0.02, times=2),
        "temperature": Number(0.03, 0.5),
        "dropout": Number(0, 0.6, even=True),
    },
}


def space_of(name: str, contender: Contender, only: Sequence[str] = ()) -> Mapping[str, Axis]:
    """The axes to search for a contender, of `only` where given; raises UsageError on an unknown setting or family."""
    every = SPACES.get(contender.family)
    catalog.enter(contender.family, contender.settings)  # an unknown family or a wrong setting is said here
    if every is None:
        raise UsageError(
            f"{name} cannot be tuned",
            got=f"family {contender.family}",
            wanted=f"one of {', '.join(SPACES)}",
            cure="The other families have no purchases hidden from them to be judged on, or nothing to set.",
        )
    unknown = [setting for setting in only if setting not in every]
    if unknown:
        raise UsageError(
            f"{name} ({contender.family}) has no setting {unknown[0]!r} to tune", cure=nearest(unknown[0], every)
        )
    free = {s: axis for s, axis in every.items() if isinstance(axis, Number) or s not in contender.settings}
    return {s: axis for s, axis in free.items() if not only or s in only}


def can_tune(family: str) -> bool:
    return family in SPACES


def setting_of(axis: Axis, value: Any) -> Any:
    """A tried value as the family takes it: rounded to four digits, a list where it is one."""
    if isinstance(axis, Words):
        return value
    plain = int(value) if axis.whole else float(f"{value:.4g}")
    return [plain] * axis.times if axis.times else plain
