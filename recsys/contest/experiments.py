"""What visitors say, every night: running tests, off-policy estimates, tomorrow's traffic; and what it is all worth.

Each part is a result of its own: one that fails or is refused says so in words, and the others and the night go on.
The rungs of the ladder offline -> off-policy -> A/B -> promotion are told with what each had data for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from recsys import publication
from recsys.config import Settings
from recsys.contest import visitors, worth
from recsys.contest.evidence import NO_EXPOSURES, Evidence, Found, Json
from recsys.contest.night import published_before
from recsys.contest.plain import plain
from recsys.data.lake import Lake
from recsys.errors import RecsysError, StoreError

Part = Callable[[Evidence], Found]
PARTS: dict[str, Part] = {
    "tests": visitors.tests,
    "off_policy": visitors.off_policy,
    "bandit": visitors.bandit,
    "money": worth.money,
    "habits": worth.habits,
    "frontier": worth.frontier,
    "segments": worth.segments,
}
log = logging.getLogger(__name__)


def experiments(settings: Settings, lake: Lake, night: Json, backtests: Sequence[Json]) -> Json:
    """The night's facts, the same at every try that decides on the same standing; files refused tonight are told anew.

    Raises StoreError where the lake does not answer: nothing is stored then, and the next try asks again.
    """
    evidence = Evidence(settings, lake, night, backtests, _standing(lake, night))
    stored: Json = lake.once(f"{evidence.place}/facts.json", lambda: _facts(evidence))
    refused = list(night.get("ingested", {}).get("refused", {}).values())
    why = {"reason": " ".join(refused)} if refused and "reason" in stored else {}
    return {**stored, "refused": refused, **why}


def _standing(lake: Lake, night: Json) -> publication.Standing:
    """What the night decides on: what is published now, or what was when this very night was published."""
    own = published_before(lake, night)
    if own is None:
        return publication.standing(lake)
    return publication.standing_of([entry for entry in publication.entries(lake) if entry.number < own.number])


def _facts(evidence: Evidence) -> Json:
    told: Json = {"status": "ok", "tables": {}, "metrics": {}, "vetoes": {}, "allocation": None}
    for name, part in PARTS.items():
        found, status = _guarded(name, part, evidence)
        told[name] = {**status, **found.facts}
        told["vetoes"] |= found.vetoes
        told["metrics"] |= {key: value for key, value in found.metrics.items() if value is not None}
        told["tables"] |= {table: _store(evidence, table, rows) for table, rows in found.tables.items()}
        told["allocation"] = told["allocation"] or found.allocation
    told["rungs"] = _rungs(told)
    if evidence.shown is None:
        told["reason"] = NO_EXPOSURES
    return dict(plain(told))


def _guarded(name: str, part: Part, evidence: Evidence) -> tuple[Found, Json]:
    """What a part found, or why it found nothing; no part stops the night."""
    try:
        found = part(evidence)
        return found, {"status": found.facts.get("status", "ok")}
    except StoreError:
        raise  # the lake may answer the next try: nothing of this one is stored
    except RecsysError as error:
        return Found(), {"status": "refused", "reason": str(error)}
    except Exception as error:
        log.exception("experiments: %s", name)
        return Found(), {"status": "failed", "reason": f"{type(error).__name__}: {error}"}


def _store(evidence: Evidence, name: str, rows: list[Json]) -> Json:
    import polars as pl

    return evidence.lake.put_frame(
        f"{evidence.place}/{name}.parquet", pl.DataFrame(rows, infer_schema_length=None)
    ).json()


def _rungs(told: Json) -> dict[str, str]:
    """What each rung of the ladder had data for, in words."""
    read = told["tests"].get("read", {})
    sound = [name for name, reading in read.items() if reading["status"] != "refused"]
    estimated = told["off_policy"]["status"] == "ok"
    bars = told["vetoes"]
    return {
        "offline": "backtest gates and daily evidence on orders: always",
        "off_policy": f"{told['off_policy']['exposures']:,} exposures" if estimated else told["off_policy"]["reason"],
        "ab": f"tests read: {', '.join(sound)}" if sound else told["tests"].get("reason", "no test could be read"),
        "vetoes": "; ".join(f"{name}: {why}" for name, why in sorted(bars.items())) or "none",
    }
