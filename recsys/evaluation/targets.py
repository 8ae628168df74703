"""A target policy as probabilities: what an off-policy estimate is asked about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.contract import F64, I64, Flags
from recsys.errors import DataError
from recsys.evaluation.exposures import Exposures


@dataclass(frozen=True)
class Target:
    """Probability of each arm at each position; one position = the same at all of them.

    Raises DataError unless every position's probabilities are in [0, 1] and add up to 1 (within 1e-6).
    """

    table: F64  # [positions, arms]

    def __post_init__(self) -> None:
        if not ((self.table >= 0) & (self.table <= 1)).all():
            raise DataError("The target policy", got="a probability outside [0, 1]", wanted="probabilities")
        off = np.abs(self.table.sum(axis=1) - 1)
        if (off > 1e-6).any():
            row = int(np.argmax(off))
            total = float(self.table[row].sum())
            raise DataError(f"The target policy at position {row + 1}", got=f"a sum of {total:.6g}", wanted="1")

    @classmethod
    def uniform(cls, arms: int) -> Target:
        """Every arm alike."""
        return cls(np.full((1, arms), 1 / arms))

    def rows(self, log: Exposures) -> F64:
        """[n, arms] probabilities where each exposure happened."""
        return np.asarray(self.table[self._at(log)])

    def logged(self, log: Exposures) -> F64:
        """[n] probability of each logged arm."""
        return np.asarray(self.table[self._at(log), log.arm])

    def unseen(self, seen: Flags, counts: F64) -> float:
        """Share of the target on arms never shown at a position.

        `seen` [positions of the log, arms]: what was shown; `counts` [positions of the log]: exposures of each.
        """
        table = np.broadcast_to(self.table, seen.shape) if len(self.table) == 1 else self.table[: len(seen)]
        return float(((table * ~seen).sum(axis=1) * counts).sum() / counts.sum())

    def _at(self, log: Exposures) -> I64:
        if len(self.table) == 1:
            return np.zeros(len(log), dtype=np.int64)
        if int(log.position.max()) > len(self.table):
            got = f"position {int(log.position.max())}"
            raise DataError("The exposure log", got=got, wanted=f"at most the policy's {len(self.table)} positions")
        return log.position.astype(np.int64) - 1


def seen_at(log: Exposures, positions: int) -> Flags:
    """[positions, arms] which arms the log shows where; `|` of chunks is that of the whole."""
    seen = np.zeros((positions, len(log.arms)), dtype=bool)
    seen[log.position - 1, log.arm] = True
    return seen


def thompson_slate(alpha: F64, beta: F64, positions: int, seed: int, draws: int = 100_000) -> Target:
    """Probability of each arm at each of the first `positions` places of a Beta-Bernoulli Thompson ranking.

    `alpha`, `beta` [arms]; Monte Carlo over `draws` rankings, standard error at most 0.5 / sqrt(draws).
    """
    rng, counts, block = np.random.default_rng(seed), np.zeros((positions, len(alpha))), 10_000
    for start in range(0, draws, block):
        sampled = rng.beta(alpha, beta, size=(min(block, draws - start), len(alpha)))
        top = np.argsort(-sampled, axis=1)[:, :positions]
        for place in range(positions):
            counts[place] += np.bincount(top[:, place], minlength=len(alpha))
    return Target(counts / draws)
