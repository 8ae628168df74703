"""The sections of recsys.toml, frozen; a key that is not here is an error."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from recsys.errors import did_you_mean

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
            raise ValueError(f"unknown time zone {name!r}. {did_you_mean(name, available_timezones())}".rstrip())
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
    evidence_nights: Annotated[int, Field(ge=1)] | Literal["auto"] = 7
    minimum_effect: float = Field(default=0.01, ge=0)
    cooldown_nights: int = Field(default=7, ge=0)
    most_training: float = Field(default=10.0, ge=1)
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
