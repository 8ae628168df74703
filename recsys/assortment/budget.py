"""How much work a search may do: table entries, counted the same on every machine, with the clock as a backstop.

A search that ends by its entries gives the same answer however slow the machine is; one that ends by the clock does
not, and says so in `late`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

UNLIMITED = 2**62


@dataclass
class Budget:
    """What is left: entries of tables to fill (a few nanoseconds each), and when to end whatever is left."""

    end: float  # time.monotonic() seconds
    entries: int = UNLIMITED
    late: bool = False  # the clock ended something

    @classmethod
    def of(cls, seconds: float, entries: int | None = None) -> Budget:
        """A budget from now on."""
        return cls(time.monotonic() + seconds, UNLIMITED if entries is None else entries)

    def lasts(self) -> bool:
        """Whether something is left."""
        if self.entries <= 0:
            return False
        over = time.monotonic() >= self.end
        self.late |= over
        return not over

    def spend(self, entries: int) -> bool:
        """Take some; False, and nothing taken, where nothing is left. The last work may take more than is left."""
        if not self.lasts():
            return False
        self.entries -= entries
        return True

    def part(self, share: float) -> Budget:
        """Lend a share of what is left; `join` takes back what was not needed."""
        now, lent = time.monotonic(), int(share * self.entries)
        self.entries -= lent
        return Budget(now + share * (self.end - now), lent)

    def join(self, part: Budget) -> None:
        """Take back what a part did not need."""
        self.entries, self.late = self.entries + part.entries, self.late or part.late

    def at_least(self, seconds: float, entries: int) -> Budget:
        """A budget of its own: what is left, or this much where less is left."""
        return Budget(max(self.end, time.monotonic() + seconds), max(self.entries, entries))
