"""Settings: one recsys.toml plus RECSYS_* environment variables, frozen, unknown keys refused.

`RECSYS_NIGHT__SEED=7` overrides `seed` in `[night]`. Relative paths are relative to the file.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from recsys.errors import ConfigError

ENV_PREFIX = "RECSYS_"
PRIMARY = ("ndcg", "recall", "hit", "map", "mrr", "precision")


class Section(BaseModel):
    """A frozen part of recsys.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NonProducts(Section):
    """Lines that are no product (postage, fees, manual corrections): never ranked, never in the catalogue."""

    codes: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()


class Shop(Section):
    """Who the shop is."""

    name: str = Field(default="shop", pattern=r"^[a-z0-9_]{1,40}$")
    currency: str = "EUR"
    timezone: str = "UTC"
    take_rate: float = Field(default=1.0, ge=0, le=1)
    non_products: NonProducts = NonProducts()

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, name: str) -> str:
        if name not in available_timezones():
            near = difflib.get_close_matches(name, available_timezones(), 1)
            raise ValueError(f"unknown time zone {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        return name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class TableSource(Section):
    """Where a table comes from and what its columns are called there."""

    path: str | None = None  # file or glob: .csv, .csv.gz, .parquet
    url: str | None = None  # SQLAlchemy URL
    query: str | None = None
    delimiter: str = ","
    encoding: str = "utf-8"
    decimal: str = "."
    thousands: str = ""  # "." where prices are written 1.299,50
    time_format: str = "iso"  # iso | epoch_s | epoch_ms | a strptime format
    timezone: str = ""  # of times without an offset; default: the shop's
    columns: dict[str, str] = {}  # contract field -> the file's column
    cancelled_prefix: str = ""  # an order whose id starts with it takes lines back
    strip_decimal_ids: bool = False  # 17850.0 -> 17850
    duplicates: Literal["quarantine", "sum", "keep"] = "quarantine"
    max_bad_share: float = Field(default=0.05, ge=0, le=1)
    allow_empty: bool = False

    @model_validator(mode="after")
    def _path_or_query(self) -> TableSource:
        if self.path and self.url:
            raise ValueError("give either path or url, not both")
        if self.url and not self.query:
            raise ValueError("url needs a query")
        return self

    @property
    def given(self) -> bool:
        return bool(self.path or self.url)


class Contender(BaseModel):
    """An estimator entered under a name; keys beside these are the family's own settings."""

    model_config = ConfigDict(frozen=True, extra="allow")
    family: str
    enabled: bool = True

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Markets(Section):
    """How order lines become the product x market panel that choice models learn from."""

    period: Literal["day", "week", "month"] = "week"
    size: Literal["units", "customers"] = "units"  # market size: a multiple of peak units, or of active customers
    size_multiple: float = Field(default=2.0, gt=1)  # somebody must be left who buys nothing
    least_segment: float = Field(default=0.05, ge=0, le=1)  # share of units under which a segment joins ~other
    least_orders: float = Field(default=3.0, ge=0)  # per market; slower products are pooled
    bulk_quantity: float = Field(default=12.0, gt=1)  # lines of so many units carry quantity discounts
    keep_bulk: bool = False
    grace_days: int = Field(default=28, ge=0)  # unsold for longer is taken as not offered


class Contest(Section):
    """How contenders are judged."""

    days: int = Field(default=28, ge=1, le=365)
    at: tuple[int, ...] = (10, 20)
    track: Literal["new", "repeats"] = "new"
    primary: str = "ndcg_at_10"
    bar: tuple[str, ...] = ("popularity_28d", "buy_again")
    evidence_nights: int = Field(default=7, ge=1)
    minimum_effect: float = Field(default=0.01, ge=0)
    cooldown_nights: int = Field(default=7, ge=0)
    level: float = Field(default=0.95, gt=0.5, lt=1)
    draws: int = Field(default=500, ge=100)
    availability_days: int = Field(default=90, ge=1)

    @model_validator(mode="after")
    def _primary_is_measured(self) -> Contest:
        if not self.at or min(self.at) < 1:
            raise ValueError(f"at: whole numbers above 0, got {list(self.at)}")
        metric, _, k = self.primary.rpartition("_at_")
        if metric not in PRIMARY or k not in {str(k) for k in self.at}:
            raise ValueError(
                f"primary {self.primary!r} is not measured; one of {', '.join(PRIMARY)} _at_ one of {list(self.at)}"
            )
        return self


class Trial(Section):
    """A running A/B test, [tests.NAME]: arms are contenders' names or what the exposure log calls them."""

    arms: tuple[str, ...]  # the first is the control
    start: str  # first local day
    end: str = ""  # last local day; "" = still running
    shares: tuple[float, ...] = ()  # planned; default: equal
    surface: str = ""  # only exposures of this surface; "" = all
    metric: str = ""  # the one that decides; "" = response: visitors with any outcome
    planned: int = Field(default=0, ge=0)  # visitors per arm (`recsys ab plan`); 0 = monitoring only
    alpha: float = Field(default=0.05, gt=0, lt=1)

    @field_validator("start", "end", mode="before")
    @classmethod
    def _day(cls, value: Any) -> str:
        return date.fromisoformat(str(value)).isoformat() if value else ""

    @model_validator(mode="after")
    def _arms_and_shares(self) -> Trial:
        if len(self.arms) < 2 or len(set(self.arms)) != len(self.arms):
            raise ValueError(f"arms: a control and another arm, each named once, got {list(self.arms)}")
        if self.shares and (len(self.shares) != len(self.arms) or abs(sum(self.shares) - 1) > 1e-6):
            raise ValueError(f"shares: one per arm, 1 in all, got {list(self.shares)}")
        if self.end and self.end < self.start:
            raise ValueError(f"end: not before its start {self.start}, got {self.end}")
        return self


class Traffic(Section):
    """How visitors are shared out over arms: contenders, `champion` (whoever is), `popular` (what sells lately)."""

    arms: tuple[str, ...] = ("champion",)  # with more than one, the bandit shares traffic out every night
    policy: Literal["thompson", "gaussian", "ucb", "epsilon", "equal"] = "thompson"
    floor: float = Field(default=0.1, gt=0, le=1)  # of the traffic, shared evenly, so that no propensity is near 0
    delay_hours: float = Field(default=24, ge=0)  # an outcome needs so long to arrive
    half_life_days: float = Field(default=28, gt=0)  # old days count less
    seller_exposures: int = Field(default=1000, ge=1)  # per arm, from which a seller has shares of its own

    @field_validator("arms")
    @classmethod
    def _each_once(cls, arms: tuple[str, ...]) -> tuple[str, ...]:
        if not arms or len(set(arms)) != len(arms):
            raise ValueError("an arm or more, each named once")
        return arms


class Night(Section):
    """When and within what limits the night runs."""

    schedule: str = "0 2 * * *"
    timezone: str = "UTC"
    scheduled: bool = False  # the nightly schedule is off until asked
    promotion: Literal["auto", "approve", "off"] = "auto"
    seed: int = 0
    fit_seconds: float = Field(default=900, gt=0)
    fit_memory_mb: int = Field(default=8192, ge=256)
    engine: Literal["polars", "spark"] = "polars"  # what aggregates order lines
    tune_seconds: float = Field(default=120, gt=0)  # per contender, in a night that was asked to tune
    parallel: int = Field(default=2, ge=1)
    retries: int = Field(default=5, ge=0)
    retry_seconds: float = Field(default=60, gt=0)
    late_hours: float = Field(default=6, gt=0)  # after this long a night is called late
    approve_hours: float = Field(default=4, gt=0)  # a promotion nobody approved by then does not happen
    # Where a late or failed night is told; "": the log alone. Holds a secret and changes no result: not dumped.
    webhook: str = Field(default="", exclude=True, pattern=r"^(https?://\S+)?$")


class Publishing(Section):
    """What is published."""

    size: int = Field(default=20, ge=1, le=500)
    related: int = Field(default=10, ge=1, le=100)
    repeats: bool = False  # may a list contain what the customer already bought?
    active_days: int = Field(default=365, ge=1)
    assortment: int = Field(default=50, ge=1)
    keep: int = Field(default=30, ge=5)  # generations
    search: bool = True  # fit and publish what answers `recsys search`
    push_url: str = Field(default="", exclude=True)  # SQLAlchemy URL of the shop's database, given every new list
    push_table: str = Field(default="recommendations", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")


class Tracking(Section):
    """Where MLflow is; an empty url means the local server under the runtime folder."""

    url: str = ""
    public_url: str = ""
    experiment: str = "recsys"


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
    contenders: dict[str, Contender] = {}
    tests: dict[str, Trial] = {}
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
                near = difflib.get_close_matches(arm, known, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise ValueError(f"traffic.arms: {arm!r} is no contender, nor `champion` or `popular`{hint}")
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

    def entered(self) -> dict[str, Contender]:
        """The contenders that are ticked, by name."""
        return {name: c for name, c in self.contenders.items() if c.enabled}


def config_path(path: str | Path | None = None) -> Path:
    """The file to read: the argument, $RECSYS_CONFIG or ./recsys.toml."""
    return Path(path or os.environ.get("RECSYS_CONFIG") or "recsys.toml").resolve()


def load(path: str | Path | None = None) -> Settings:
    """Read recsys.toml and the environment; raises ConfigError that names the key and the cure."""
    file = config_path(path)
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            "No configuration",
            got=f"no file {file}",
            wanted="a recsys.toml",
            cure="Run `recsys init orders.csv` to write one, or set RECSYS_CONFIG.",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML", got=error, cure="Mend the line that is named.") from None
    return parse({**_with_environment(tree), "folder": str(file.parent)}, where=str(file))


def parse(tree: dict[str, Any], where: str = "settings") -> Settings:
    """Settings from a plain tree; raises ConfigError."""
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(_explain(error, where)) from None


def _with_environment(tree: dict[str, Any]) -> dict[str, Any]:
    for name, text in sorted(os.environ.items()):
        keys = name.removeprefix(ENV_PREFIX).lower().split("__")
        if (
            not name.startswith(ENV_PREFIX)
            or keys[0] not in Settings.model_fields
            or (len(keys) == 1 and keys[0] not in ("runtime", "lake"))
        ):
            continue
        at = tree
        for key in keys[:-1]:
            at = at.setdefault(key, {})
        at[keys[-1]] = _value(text)
    return tree


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def _explain(error: ValidationError, where: str) -> str:
    sentences = []
    for problem in error.errors():
        path = [str(part) for part in problem["loc"]]
        place = f"[{'.'.join(path)}] " if path else ""  # what binds two sections names its own keys
        text = f"{where}: {place}{problem['msg'].removeprefix('Value error, ')}"
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(path[-1], _keys_near(path), 1)
            text = f"{where}: unknown key {'.'.join(path)}" + (f"; did you mean {near[0]!r}?" if near else "")
        elif "input" in problem and not isinstance(problem["input"], dict):
            text += f", got {problem['input']!r}"
        sentences.append(text)
    return "\n".join(sentences)


def _keys_near(path: list[str]) -> list[str]:
    model: Any = Settings
    for part in path[:-1]:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)
