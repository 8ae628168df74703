"""What a generation holds of traffic: allocation.json, and the lists and scorer of every arm beside the champion."""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from typing import Any

from recsys import publication
from recsys.contest import traffic
from recsys.contest.generation import NOTHING, Files, Material, parquet
from recsys.contest.optional import tried
from recsys.contest.record import Record, load_fitted
from recsys.data.lake import Lake, ref_from
from recsys.errors import UsageError
from recsys.ranking.assign import Allocation
from recsys.ranking.lists import Label, active_customers, customer_lists

Json = dict[str, Any]


def arm_files(of: Material, trial: Json | None) -> tuple[dict[str, bytes], dict[str, int], Json]:
    """(files, rows per table, facts for the manifest): allocation.json, lists-ARM.parquet, arm-ARM.safetensors.

    Sellers that are switched off stay off: the list is carried from generation to generation. An arm that cannot be
    served gives its traffic to the champion; the manifest says why under `lost`.
    """
    ready = {name: record for name, record in of.fits.items() if record["status"] == "ok"}
    wanted, why = tried("traffic", lambda: traffic.allocation_of(trial), traffic.allocation_of(None))
    lost = {"traffic": why} if why else {}
    off, tests = switched_off(of.lake), traffic.served_tests(of.settings, of.night["as_of"])
    files: dict[str, bytes] = {}
    rows: dict[str, int] = {}
    for arm in traffic.contenders_of(wanted, tests, ready):
        (more, more_rows), why = tried(f"arm {arm}", partial(_arm, of, arm, ready[arm]), NOTHING)
        if why:
            lost[f"arm {arm}"] = why
            del ready[arm]
            continue
        files, rows = files | more, rows | more_rows
    shares = traffic.servable(wanted, list(ready))
    files["allocation.json"] = traffic.allocation_file(shares, tests, off)
    return files, rows, {"off": off, "traffic": json.loads(shares.to_json()), "lost": lost}


def _arm(of: Material, arm: str, record: Record) -> Files:
    """The arm's scorer, and its lists of the customers who have one of the champion's."""
    data, given = of.data, of.settings.publishing
    ladder, rungs = [load_fitted(of.lake, record), of.popular], [arm, "popular lately in the segment"]
    ids, label = active_customers(data, given.active_days), Label("home", arm, arm, of.version)
    table = customer_lists(data, ladder, ids, given.size, repeats=given.repeats, label=label, rungs=rungs)[0]
    scorer, name = of.lake.read(ref_from(record["scorer"])), f"lists-{arm}.parquet"
    return {name: parquet(table), f"arm-{arm}.safetensors": scorer}, {name: table.height}


def switched_off(lake: Lake) -> list[str]:
    """Sellers whose surfaces a person keeps from the champion: what the newest generation says."""
    told = [e.manifest for e in publication.entries(lake) if "off" in e.manifest]
    return [str(seller) for seller in max(told, key=lambda m: int(m["number"]))["off"]] if told else []


def switch(lake: Lake, off: Sequence[str], why: str) -> publication.Entry:
    """Serve the current files again at once, with exactly these sellers switched off; nights carry it on.

    Raises UsageError when nothing is published or nothing would change, ConflictError when somebody else was first.
    """
    now, served = publication.standing(lake), publication.current(lake)
    wanted, known = sorted(set(off)), {str(s) for s in _products(lake, served)["seller"].drop_nulls().to_list()}
    strange = [seller for seller in wanted if seller not in known]
    if strange:
        near = difflib.get_close_matches(strange[0], sorted(known), 3)
        cure = f"Did you mean {', '.join(near)}?" if near else ""
        raise UsageError("allocation set", got=f"no seller {strange[0]!r} is published", cure=cure)
    if wanted == sorted(served.manifest.get("off", ())):
        raise UsageError("allocation set", got="the switch stands like this already", wanted="a change")
    files = {name: publication.read_file(lake, served, name) for name in served.manifest["files"]}
    whole = json.loads(files["allocation.json"])
    shares = Allocation.from_json(json.dumps(served.manifest.get("traffic") or {"arms": {traffic.CHAMPION: 1.0}}))
    fresh = json.loads(traffic.switched(shares, wanted).to_json()) | {"off": wanted, "tests": whole.get("tests", {})}
    files["allocation.json"] = json.dumps(fresh, sort_keys=True).encode()
    told = {k: v for k, v in served.manifest.items() if k not in ("files", "format", "number", "kind", "previous")}
    told |= {"key": f"switch-{time.time_ns()}", "off": wanted, "barred": list(now.barred), "held": now.held}
    told |= {"wanted": now.wanted, "reasons": [why], "created": datetime.now(UTC).isoformat(timespec="seconds")}
    rows = {name: int(file["rows"]) for name, file in served.manifest["files"].items()}
    return publication.publish(lake, now.number, files, told, rows)


def _products(lake: Lake, entry: publication.Entry) -> Any:
    import polars as pl

    return pl.read_parquet(BytesIO(publication.read_file(lake, entry, "products.parquet")))
