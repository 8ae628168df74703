"""Everything in recsys.toml as one frozen value."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from recsys.config.sections import (
    Contender,
    Contest,
    Markets,
    Night,
    Publishing,
    Section,
    Shop,
    TableSource,
    Tracking,
    Traffic,
    Trial,
)
from recsys.errors import ConfigError, did_you_mean


class Settings(Section):
    """Everything in recsys.toml."""

    sections: ClassVar[tuple[str, ...]] = ("shop", "orders", "contest", "night", "publishing", "tracking")

    shop: Shop = Shop()
    orders: TableSource = TableSource()
    products: TableSource = TableSource()
    customers: TableSource = TableSource()
    exposures: TableSource = TableSource()
    markets: Markets = Markets()
    contest: Contest = Contest()
    contenders: dict[str, Contender] = Field(default_factory=dict)
    tests: dict[str, Trial] = Field(default_factory=dict)
    traffic: Traffic = Traffic()
    night: Night = Night()
    publishing: Publishing = Publishing()
    tracking: Tracking = Tracking()
    runtime: str = ".runtime"  # services, logs and lake live under it
    # A folder or s3://bucket/prefix; "": the folder `lake` under runtime. Where it lies changes no result: not dumped.
    lake: str = Field(default="", exclude=True)
    folder: str = "."  # where recsys.toml lies: filled in by load

    @model_validator(mode="after")
    def _arms_can_be_served(self) -> Settings:
        known = [*self.contenders, "champion", "popular"]
        for arm in self.traffic.arms:
            if arm not in known:
                wrong = f"traffic.arms: {arm!r} is no contender, nor `champion` or `popular`."
                raise ValueError(f"{wrong} {did_you_mean(arm, known)}".rstrip())
        return self

    @property
    def runtime_folder(self) -> Path:
        return (Path(self.folder) / self.runtime).resolve()

    @field_validator("lake")
    @classmethod
    def _folder_or_bucket(cls, root: str) -> str:
        if "://" in root and not re.match(r"s3://[^/]+", root):
            raise ValueError("a folder or s3://bucket/prefix")
        return root

    @property
    def lake_root(self) -> str:
        """What `Lake` is opened with: an absolute folder or s3://bucket/prefix."""
        return self.file(self.lake) if self.lake else str(self.runtime_folder / "lake")

    @property
    def lake_folder(self) -> Path:
        """The lake as a folder; raises ConfigError when it is a bucket."""
        if "://" in self.lake_root:
            raise ConfigError("This needs a lake in a folder", got=self.lake_root)
        return Path(self.lake_root)

    def file(self, path: str) -> str:
        """A path of recsys.toml, absolute."""
        return path if "://" in path else str((Path(self.folder) / path).resolve())

    def terms(self) -> dict[str, Any]:
        """What a result can depend on: all settings but where things lie and who is told."""
        return self.model_dump(exclude={"folder", "runtime", "tracking"})

    def entered(self) -> dict[str, Contender]:
        """The contenders that are ticked, by name."""
        return {name: c for name, c in self.contenders.items() if c.enabled}
