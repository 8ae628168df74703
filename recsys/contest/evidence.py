"""What the night's experiments read, each thing once, and the shape of what each part of them leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from recsys.config import Settings
from recsys.contest.night import folder
from recsys.contract import Dataset
from recsys.data.lake import Lake, ref_from
from recsys.publication import Standing

if TYPE_CHECKING:
    import polars as pl

Json = dict[str, Any]
NO_EXPOSURES = "No exposures were handed over."


@dataclass(frozen=True)
class Evidence:
    """What the parts read; `standing` is what the night decides on."""

    settings: Settings
    lake: Lake
    night: Json
    backtests: Sequence[Json]
    standing: Standing

    @property
    def champion(self) -> str | None:
        return self.standing.champion

    @property
    def day(self) -> int:
        """The night's local day, days since epoch."""
        return int(self.night["day"])

    @property
    def seed(self) -> int:
        return int(self.night["seed"])

    @property
    def place(self) -> str:
        """Facts differ with who is champion: every standing has a place of its own, tables included."""
        return f"{folder(self.night)}/experiments-{self.standing.number}"

    @property
    def fitted(self) -> list[Json]:
        """Backtests that left a scorer."""
        return [record for record in self.backtests if record["status"] == "ok" and "scorer" in record]

    @cached_property
    def shown(self) -> pl.DataFrame | None:
        """Exposures up to the night's day."""
        from recsys.data.ingest import lake_exposures

        return lake_exposures(self.lake, self.day)

    @cached_property
    def lines(self) -> Any:
        """Order lines up to the night's day, lazy."""
        from recsys.data.ingest import lake_orders

        return lake_orders(self.lake, self.day)

    @cached_property
    def sales(self) -> pl.DataFrame:
        """Sale lines up to the night's day, returns taken back."""
        from recsys.data.dataset import sales_until

        frame: pl.DataFrame = sales_until(self.lines, self.day)
        return frame

    @cached_property
    def train(self) -> Dataset:
        """The past that the backtests were fitted on."""
        return self.lake.read_value(Dataset, ref_from(self.night["train"]))


@dataclass(frozen=True)
class Found:
    """What one part leaves: small JSON, tables by name, numbers for a curve over nights, and what it binds."""

    facts: Json = field(default_factory=dict)
    tables: dict[str, list[Json]] = field(default_factory=dict)
    metrics: dict[str, float | None] = field(default_factory=dict)
    vetoes: dict[str, str] = field(default_factory=dict)  # contender -> why it may not be promoted
    allocation: Json | None = None  # of tomorrow's traffic


def nothing(why: str) -> Found:
    """A part that had nothing to read."""
    return Found({"status": "none", "reason": why})
