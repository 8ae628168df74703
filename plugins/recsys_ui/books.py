"""What the leaderboard shows, read from the lake's JSON alone: no array, no model, no table is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recsys import publication
from recsys.config import Settings
from recsys.data.lake import Lake
from recsys.data.runs import note_of
from recsys.errors import StoreError
from recsys.publication import Entry
from recsys.report.sections.leaderboard import measured

Json = Mapping[str, Any]
SHOWN = 12  # entries of the sequence


@dataclass(frozen=True)
class Row:
    """A contender: the deciding metric with its interval, tonight and the night before; None where there is none."""

    name: str
    family: str
    status: str
    reason: str
    mean: float | None
    low: float | None
    high: float | None
    before: float | None
    seconds: float | None
    memory: float | None
    champion: bool
    place: int | None = None
    placed_before: int | None = None

    @property
    def change(self) -> float | None:
        """Tonight's mean less the night before's."""
        return None if self.mean is None or self.before is None else self.mean - self.before


@dataclass(frozen=True)
class Board:
    """One night as a person reads it. decision: empty until it is taken."""

    as_of: str
    key: str
    decision: Json
    rows: tuple[Row, ...]
    night_before: str
    entry: Entry | None  # what the night published
    scale: tuple[float, float]  # of the intervals, for drawing

    def place(self, value: float) -> float:
        """Where a value of the metric lies on the drawing, 0 to 100."""
        low, high = self.scale
        return round(100 * (value - low) / (high - low), 2) if high > low else 50.0


@dataclass(frozen=True)
class Shop:
    """The sequence of generations as it stands. entries: newest first."""

    standing: publication.Standing
    entries: tuple[Entry, ...] = field(default=())

    @property
    def can_roll_back(self) -> bool:
        return sum(entry.kind == "publish" for entry in self.entries) > 1


def shop_of(history: Sequence[Entry]) -> Shop:
    """Where the sequence, oldest first, stands."""
    return Shop(publication.standing_of(history), tuple(reversed(history)))


def version_of(lake: Lake, generation: str) -> str:
    """The version MLflow has of a generation; "" where it has none, or none yet."""
    path = f"mirror/{generation}.json"
    note = _read(lake, path) if lake.exists(path) else None
    return str((note or {}).get("version") or "")


def board_of_run(lake: Lake, settings: Settings, run: str, history: Sequence[Entry]) -> Board | None:
    """The night a DAG run is or was about; None before it has prepared its data."""
    note = note_of(lake, run)
    return None if note is None else _board(lake, settings, note, history)


def newest_board(lake: Lake, settings: Settings, history: Sequence[Entry]) -> Board | None:
    """The newest published night; None before the first.

    A switch of sellers publishes a night's files again under a key of its own: the night's key is what it closed with.
    """
    published = _published(history)
    if not published:
        return None
    manifest = published[-1].manifest
    told = {"key": manifest["key"], "decision": None, **(_read(lake, manifest.get("night")) or {})}
    return _board(lake, settings, {**told, "as_of": manifest["as_of"]}, history)


def _board(lake: Lake, settings: Settings, night: Json, history: Sequence[Entry]) -> Board:
    """night: its as_of, key and decision, the path of one or None."""
    published, as_of, key = _published(history), str(night["as_of"]), str(night["key"])
    entry = next((e for e in published if e.manifest["key"] == key), None)
    decision = _read(lake, night.get("decision")) or {}
    raw = decision.get("leaderboard") or _judged_so_far(lake, as_of, key)
    night_before, earlier = _night_before(lake, published, as_of)
    rows = _rows(raw, earlier, settings, decision.get("champion"))
    ends = [value for row in rows for value in (row.low, row.high, row.mean) if value is not None]
    return Board(as_of, key, decision, rows, night_before, entry, (min(ends, default=0.0), max(ends, default=1.0)))


def _night_before(lake: Lake, published: Sequence[Entry], as_of: str) -> tuple[str, Sequence[Json]]:
    """The day and the leaderboard of the last published night before `as_of`."""
    earlier = [entry.manifest for entry in published if str(entry.manifest["as_of"]) < as_of]
    if not earlier:
        return "", ()
    manifest = max(earlier, key=lambda m: (m["as_of"], m["number"]))
    closed = _read(lake, manifest.get("night")) or {}
    decision = _read(lake, closed.get("decision")) or {}
    return str(manifest["as_of"]), decision.get("leaderboard", ())


def _published(history: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in history if entry.kind == "publish"]


def _judged_so_far(lake: Lake, as_of: str, key: str) -> list[Json]:
    """Contenders whose backtest has ended while the night is still going on."""
    found: list[Json] = []
    for path in lake.paths(f"nights/{as_of}/{key}/backtest"):
        if path.endswith("/record.json"):
            found.append({**lake.read_json(path), "name": path.split("/")[-2], "status": "ok"})
    return found


def _rows(board: Sequence[Json], before: Sequence[Json], settings: Settings, champion: Any) -> tuple[Row, ...]:
    """Best first; those without a score last, in the order they came."""
    known = {str(row["name"]): _metric(row, settings) for row in before}
    ranked = sorted((n for n in known if known[n].get("mean") is not None), key=lambda n: -known[n]["mean"])
    rows = sorted(board, key=lambda row: (-_mean(row, settings), str(row["name"])))
    found, place = [], 0
    for row in rows:
        metric, name = _metric(row, settings), str(row["name"])
        place += metric.get("mean") is not None
        found.append(
            Row(
                name=name,
                family=str(row.get("family") or ""),
                status=str(row["status"]),
                reason=str(row.get("reason") or ""),
                mean=metric.get("mean"),
                low=metric.get("low"),
                high=metric.get("high"),
                before=known.get(name, {}).get("mean"),
                seconds=row.get("fit_seconds"),
                memory=row.get("peak_memory_mb"),
                champion=name == champion,
                place=place if metric.get("mean") is not None else None,
                placed_before=ranked.index(name) + 1 if name in ranked else None,
            )
        )
    return tuple(found)


def _metric(row: Json, settings: Settings) -> Json:
    return measured(row, settings.contest.track, settings.contest.primary) or {}


def _mean(row: Json, settings: Settings) -> float:
    mean = _metric(row, settings).get("mean")
    return float("-inf") if mean is None else float(mean)


def _read(lake: Lake, path: str | None) -> Json | None:
    """What lies at a path; None where there is nothing (an old night may have been tidied away)."""
    if not path:
        return None
    try:
        found: Json = lake.read_json(path)
    except StoreError:
        return None
    return found
