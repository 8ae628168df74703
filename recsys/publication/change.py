"""What changes the sequence: publish, rollback, release, promote; each claims the next number first."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from recsys.data.lake import Lake
from recsys.errors import ConflictError, StoreError, UsageError
from recsys.publication.check import damaged
from recsys.publication.sequence import Entry, Standing, entries, folder_of, name_of, point, standing, standing_of

FORMAT = 1
STALE_SECONDS = 3600.0  # a claim without manifest after this long was left by a dead process


def publish(
    lake: Lake, base: int, files: Mapping[str, bytes], manifest: Mapping[str, Any], rows: Mapping[str, int]
) -> Entry:
    """Commit a new generation on top of entry `base`; raises ConflictError when somebody else was first.

    `manifest["key"]` names the night: a second try of the same night finds its own claim and finishes it.
    """
    number = _claim(lake, base, str(manifest["key"]))
    refs = {
        name: lake.put_new(f"{folder_of(number)}/{name}", blob, rows.get(name, 0))
        for name, blob in sorted(files.items())
    }
    full = {
        **manifest,
        "format": FORMAT,
        "number": number,
        "kind": "publish",
        "previous": base,
        "files": {name: ref.json() for name, ref in refs.items()},
    }
    return _commit(lake, number, full)


def rollback(lake: Lake, why: str) -> Entry:
    """Serve the generation before the last change of champion again, and hold.

    The contender left is barred from automatic promotion; where both generations have the same contender publishing
    is held. Raises UsageError when there is nothing to go back to.
    """
    history = list(entries(lake))
    now = standing_of(history)
    published = {e.name: e for e in history if e.kind == "publish"}
    if now.served is None or len(published) < 2:
        raise UsageError("Nothing to roll back to", got=f"{len(published)} generations", wanted="at least two")
    target = _before(history, str(now.served["champion"]), name_of(int(now.served["number"])), published)
    lost = damaged(lake, target)
    if lost:
        raise StoreError(
            f"{target.name} cannot be served again",
            got=f"{', '.join(lost)} missing or damaged",
            wanted="a whole generation",
            cure="A larger [publishing] keep holds more generations; `recsys champion history` lists them.",
        )
    same = target.manifest["champion"] == now.champion
    barred = set(now.barred) | (set() if same else {str(now.champion)})
    return _mark(
        lake,
        now,
        "rollback",
        {
            "serves": target.name,
            "champion": target.manifest["champion"],
            "as_of": target.manifest["as_of"],
            "barred": sorted(barred - {str(target.manifest["champion"])}),
            "held": same,
            "why": why,
        },
    )


def release(lake: Lake) -> Entry:
    """Lift what a rollback bound: nobody is barred, publishing goes on."""
    now = standing(lake)
    if now.served is None:
        raise UsageError("Nothing is held", got="no generation yet")
    serves = name_of(int(now.served["number"]))
    return _mark(
        lake,
        now,
        "release",
        {
            "serves": serves,
            "champion": now.champion,
            "as_of": now.served["as_of"],
            "barred": [],
            "held": False,
            "wanted": now.wanted,
            "why": "released",
        },
    )


def promote(lake: Lake, contender: str, why: str) -> Entry:
    """Ask for `contender` as champion by hand: from the next night's publication on it is published and stays."""
    now = standing(lake)
    if now.served is None:
        raise UsageError("Nothing is published yet", cure="Run a night first: `recsys run`.")
    known = [str(name) for name in now.served.get("contenders", ())]
    if contender not in known:
        raise UsageError(f"{contender!r} cannot be promoted", got=contender, wanted=f"one of {', '.join(known)}")
    return _mark(
        lake,
        now,
        "promote",
        {
            "serves": name_of(int(now.served["number"])),
            "champion": now.champion,
            "as_of": now.served["as_of"],
            "barred": sorted(set(now.barred) - {contender}),
            "held": False,
            "wanted": contender,
            "why": why,
        },
    )


def needed(history: Sequence[Entry]) -> set[str]:
    """Names of the generation being served and of the one a rollback would serve."""
    published = {e.name: e for e in history if e.kind == "publish"}
    if not published:
        return set()
    served = published[history[-1].serves]
    try:
        back = {_before(history, str(served.manifest["champion"]), served.name, published).name}
    except UsageError:
        back = set()
    return {served.name} | back


def _before(history: Sequence[Entry], champion: str, name: str, published: Mapping[str, Entry]) -> Entry:
    """The last generation of another champion before `name`, else the generation before it."""
    earlier = [e for e in published.values() if e.name < name]
    if not earlier:
        raise UsageError("Nothing to roll back to", got=f"{name} is the oldest generation")
    others = [e for e in earlier if e.manifest["champion"] != champion]
    return (others or earlier)[-1]


def _mark(lake: Lake, now: Standing, kind: str, what: Mapping[str, Any]) -> Entry:
    number = _claim(lake, now.number, f"{kind}-{time.time_ns()}")
    return _commit(
        lake, number, {**what, "format": FORMAT, "number": number, "kind": kind, "previous": now.number, "files": {}}
    )


def _claim(lake: Lake, base: int, key: str) -> int:
    """The number this key may write to: base + 1, or later where dead claims lie between."""
    complete = {e.number for e in entries(lake)}
    if max(complete, default=0) != base:
        raise ConflictError(
            "Somebody else published first",
            got=f"entry {max(complete, default=0)}",
            wanted=f"entry {base} to be the newest",
            cure="Nothing was changed. Run the step again to decide on what is there now.",
        )
    number = base + 1
    while True:
        claim = json.dumps({"key": key, "at": time.time()}).encode()
        if lake.claim(f"{folder_of(number)}/claim.json", claim):
            return number
        other = lake.read_json(f"{folder_of(number)}/claim.json")
        if other["key"] == key:
            return number
        if time.time() - float(other["at"]) < STALE_SECONDS:
            raise ConflictError(
                f"{name_of(number)} is being written by another run",
                got=f"claim of {other['key'][:24]}",
                cure="Wait for it to end, or run again in an hour if it died.",
            )
        number += 1


def _commit(lake: Lake, number: int, manifest: Mapping[str, Any]) -> Entry:
    path = f"{folder_of(number)}/manifest.json"
    lake.put_json(path, dict(manifest))
    entry = Entry(number, str(manifest["kind"]), lake.read_json(path))
    pointed = 0
    while (newest := list(entries(lake))[-1]).number != pointed:  # whoever writes the pointer last has looked since
        point(lake, newest)
        pointed = newest.number
    return entry
