"""Which arm a visitor gets: a pure function of salt and id, the same in every process and language.

    bucket(salt, visitor) = SHA-256 of the UTF-8 text "salt:visitor", read as a big-endian integer, mod 10,000

Arms own consecutive runs of buckets in the order they are written, so an arm with share .25 after one with .5 owns
buckets 5000 .. 7499. Nothing is stored: the same test and visitor give the same arm for ever (test vectors are in
docs/evidence.md). Who takes part and which arm are hashed apart, so a ramp adds visitors and moves nobody.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from recsys.errors import ConfigError

BUCKETS = 10_000


@dataclass(frozen=True)
class ABTest:
    """An A/B test: arms, their shares of those who take part, and which visitors take part.

    Tests of one exclusion group share the group's hash and own different windows of its buckets, so a visitor is in at
    most one of them. Raises ConfigError for shares that do not add up to 1, repeated arms, or an empty window.
    """

    name: str  # also the salt: a new name is a new draw
    arms: tuple[str, ...]  # the first is the control
    shares: tuple[float, ...]
    group: str = ""  # exclusion group; "" = a group of its own
    window: tuple[int, int] = (0, BUCKETS)  # buckets [low, high) of the group that take part

    def __post_init__(self) -> None:
        _check_shares(f"Test {self.name}", self.arms, self.shares)
        low, high = self.window
        if not 0 <= low < high <= BUCKETS:
            raise ConfigError(f"Test {self.name}: window", got=self.window, wanted=f"0 <= low < high <= {BUCKETS}")


@dataclass(frozen=True)
class Allocation:
    """The traffic of one generation: share of each arm, per seller where a seller has shares of its own."""

    arms: tuple[str, ...]
    shares: tuple[float, ...]
    salt: str = "allocation"
    sellers: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_shares("The allocation", self.arms, self.shares)
        for seller, shares in self.sellers.items():
            _check_shares(f"The allocation of seller {seller}", self.arms, shares)

    def of(self, seller: str = "") -> tuple[float, ...]:
        """Shares that hold for a seller; the shared ones when it has none of its own."""
        return self.sellers.get(seller, self.shares)

    def to_json(self) -> str:
        """A generation's allocation.json: {"arms": {arm: share}, "salt": .., "sellers": {seller: {arm: share}}}."""
        own = {seller: dict(zip(self.arms, shares, strict=True)) for seller, shares in self.sellers.items()}
        whole = {"arms": dict(zip(self.arms, self.shares, strict=True)), "salt": self.salt, "sellers": own}
        return json.dumps(whole, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote; an arm a seller does not name has no share there. Raises ConfigError."""
        try:
            whole = json.loads(text)
            arms = tuple(sorted(whole["arms"]))
            shares = tuple(float(whole["arms"][arm]) for arm in arms)
            own = {s: tuple(float(row.get(a, 0.0)) for a in arms) for s, row in whole.get("sellers", {}).items()}
            return cls(arms, shares, whole.get("salt", cls.salt), own)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            got = f"{type(error).__name__}: {error}"
            raise ConfigError("allocation.json", got=got, wanted="arms and sellers with their shares") from None


def bucket(salt: str, visitor: str) -> int:
    """The visitor's bucket in [0, BUCKETS)."""
    return int.from_bytes(hashlib.sha256(f"{salt}:{visitor}".encode()).digest(), "big") % BUCKETS


def arm_of(test: ABTest, visitor: str) -> str | None:
    """The visitor's arm, None for one who does not take part."""
    low, high = test.window
    if not low <= bucket(f"{test.group or test.name}/traffic", visitor) < high:
        return None
    return test.arms[_owner(test.shares, bucket(test.name, visitor))]


def arms_of(tests: Iterable[ABTest], visitor: str) -> dict[str, str]:
    """Arm by test name, for the tests the visitor takes part in."""
    found = {test.name: arm_of(test, visitor) for test in tests}
    return {name: arm for name, arm in found.items() if arm is not None}


def allocated(allocation: Allocation, visitor: str, seller: str = "") -> tuple[str, float]:
    """The visitor's arm and its propensity under the allocation; the same answer for the life of a generation.

    Arms own runs of buckets in order of their names, so that an allocation read back from JSON moves nobody.
    """
    rows = sorted(range(len(allocation.arms)), key=lambda row: allocation.arms[row])
    shares = allocation.of(seller)
    row = rows[_owner([shares[row] for row in rows], bucket(allocation.salt, visitor))]
    return allocation.arms[row], shares[row]


def check_tests(tests: Sequence[ABTest]) -> None:
    """Raise ConfigError where two tests share a name, or windows of one exclusion group overlap."""
    for i, one in enumerate(tests):
        for other in tests[i + 1 :]:
            if one.name == other.name:
                raise ConfigError("Two tests", got=f"the name {one.name} twice", wanted="a name, and so a salt, each")
            apart = one.window[1] <= other.window[0] or other.window[1] <= one.window[0]
            if one.group and one.group == other.group and not apart:
                got = f"{one.name} {one.window} and {other.name} {other.window}"
                raise ConfigError(f"Exclusion group {one.group}", got=got, wanted="windows that do not overlap")


def _owner(shares: Sequence[float], at: int) -> int:
    """Row of the arm that owns a bucket; the last arm with a share takes what rounding leaves."""
    edge, last = 0.0, 0
    for row, share in enumerate(shares):
        if share <= 0:
            continue
        edge, last = edge + share, row
        if at < round(edge * BUCKETS):
            return row
    return last


def _check_shares(where: str, arms: Sequence[str], shares: Sequence[float]) -> None:
    if not arms or len(set(arms)) != len(arms):
        raise ConfigError(f"{where}: arms", got=list(arms), wanted="at least one arm, each named once")
    if len(shares) != len(arms) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
        raise ConfigError(f"{where}: shares", got=list(shares), wanted=f"{len(arms)} shares >= 0 that add up to 1")
