"""Every error a user can meet, in one tree.

    RecsysError
    ├── ConfigError        recsys.toml or an environment variable is wrong
    ├── DataError          a file or table does not keep its contract (the whole input is refused)
    │   └── EmptyError     nothing is left to work on
    ├── StoreError         the lake: missing, damaged, full
    │   └── ConflictError  somebody else committed first
    ├── FitError           a fit failed: NaN, divergence, deadline, memory
    │   └── RefusedError   a fit ended but did not pass its gates; carries its report
    ├── ServiceError       a server we start or call does not answer
    └── UsageError         a command was called with arguments that make no sense

A message says where it happened, what was got, what was wanted and how to cure it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


class RecsysError(Exception):
    """Where, got, wanted, cure: the parts that are known, joined into one sentence each."""

    def __init__(self, where: str, *, got: object = None, wanted: object = None, cure: str = "") -> None:
        self.where, self.got, self.wanted, self.cure = where, got, wanted, cure
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        parts = [self.where]
        if self.got is not None:
            parts.append(f"got {self.got}")
        if self.wanted is not None:
            parts.append(f"wanted {self.wanted}")
        text = "; ".join(parts) + "."
        return f"{text} {self.cure}" if self.cure else text


class ConfigError(RecsysError):
    """A setting is missing, unknown or out of range."""


class DataError(RecsysError):
    """An input is refused whole; nothing of it was loaded."""


class EmptyError(DataError):
    """No usable rows are left."""


class StoreError(RecsysError):
    """The lake could not be read or written."""


class ConflictError(StoreError):
    """A compare-and-set lost: another process committed first."""


class FitError(RecsysError):
    """A fit failed; the contender's status is `failed` and it is never retried."""


class RefusedError(FitError):
    """A fit ended but failed a gate; the status is `refused` and `report` says which."""

    def __init__(self, where: str, *, report: Mapping[str, Any], cure: str = "") -> None:
        self.report = dict(report)
        super().__init__(where, cure=cure)


class ServiceError(RecsysError):
    """A server did not start or does not answer."""


class UsageError(RecsysError):
    """A command's arguments contradict each other or the data."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`Did you mean 'ease'?`, or nothing where no known name is near."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f"Did you mean {near[0]!r}?" if near else ""
