"""Generations: the one authority on who is champion and what is served.

`generations/gen-000007/` is an immutable entry of a sequence. Its number is claimed first (`claim.json`: whoever
creates it has the right to write there: the compare-and-set), its files follow, its manifest comes last: an entry
without a manifest does not exist for readers. CURRENT names the entry being served. A rollback is an entry too: it
holds no files, it says which earlier generation is served again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recsys.data.lake import Lake, Ref, ref_from
from recsys.errors import ConflictError, StoreError, UsageError

FORMAT = 1
STALE_SECONDS = 3600.0  # a claim without manifest after this long was left by a dead process
FOLDER = "generations"


@dataclass(frozen=True)
class Entry:
    """One complete entry of the sequence. kind: publish | rollback | release."""

    number: int
    kind: str
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        return _name(self.number)

    @property
    def serves(self) -> str:
        """Name of the generation whose files are served while this entry is the newest."""
        return str(self.manifest.get("serves", self.name))


@dataclass(frozen=True)
class Standing:
    """Where the sequence stands: the newest entry, the generation served, the champion and what binds tonight."""

    number: int  # newest complete entry, 0 at the start
    served: Mapping[str, Any] | None  # manifest of the generation being served
    champion: str | None
    since: str | None  # as-of day the champion became champion
    barred: tuple[str, ...]  # contenders that may not be promoted
    held: bool  # publishing is held until `recsys champion release`
    wanted: str | None = None  # promoted by hand, not yet published


def entries(lake: Lake) -> Iterator[Entry]:
    """Complete entries, oldest first."""
    for manifest in lake.read_jsons(path for path in lake.paths(FOLDER) if path.endswith("/manifest.json")):
        yield Entry(int(manifest["number"]), str(manifest["kind"]), manifest)


def standing(lake: Lake) -> Standing:
    """What the sequence of generations says now."""
    history = list(entries(lake))
    if not history:
        return Standing(0, None, None, None, (), False)
    newest, by_name = history[-1], {e.name: e for e in history}
    served = by_name[newest.serves].manifest
    champion = str(served["champion"])
    return Standing(
        number=newest.number,
        served=served,
        champion=champion,
        since=_since(history, champion, by_name),
        barred=tuple(newest.manifest.get("barred", ())),
        held=bool(newest.manifest.get("held", False)),
        wanted=newest.manifest.get("wanted"),
    )


def _since(history: Sequence[Entry], champion: str, by_name: Mapping[str, Entry]) -> str:
    since = str(by_name[history[-1].serves].manifest["as_of"])
    for entry in reversed(history):
        manifest = by_name[entry.serves].manifest
        if manifest["champion"] != champion:
            break
        since = str(manifest["as_of"])
    return since


def publish(
    lake: Lake, base: int, files: Mapping[str, bytes], manifest: Mapping[str, Any], rows: Mapping[str, int]
) -> Entry:
    """Commit a new generation on top of entry `base`; raises ConflictError when somebody else was first.

    `manifest["key"]` names the night: a second try of the same night finds its own claim and finishes it.
    """
    number = _claim(lake, base, str(manifest["key"]))
    refs = {
        name: lake.put_new(f"{_folder(number)}/{name}", blob, rows.get(name, 0)) for name, blob in sorted(files.items())
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
    history = [e for e in entries(lake)]
    now = standing(lake)
    published = {e.name: e for e in history if e.kind == "publish"}
    if now.served is None or len(published) < 2:
        raise UsageError("Nothing to roll back to", got=f"{len(published)} generations", wanted="at least two")
    target = _before(history, str(now.served["champion"]), _name(int(now.served["number"])), published)
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
    serves = _name(int(now.served["number"]))
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
            "serves": _name(int(now.served["number"])),
            "champion": now.champion,
            "as_of": now.served["as_of"],
            "barred": sorted(set(now.barred) - {contender}),
            "held": False,
            "wanted": contender,
            "why": why,
        },
    )


def current(lake: Lake) -> Entry:
    """The generation being served, verified; raises StoreError when there is none or it is damaged."""
    history = {e.name: e for e in entries(lake)}
    if not history:
        raise StoreError("Nothing is published yet", cure="Run a night first: `recsys run` or `make demo`.")
    newest = max(history.values(), key=lambda e: e.number)
    return history[newest.serves]


def read_file(lake: Lake, entry: Entry, name: str) -> bytes:
    """One file of a generation; raises StoreError when it is not there or does not have its digest."""
    if name not in entry.manifest["files"]:
        raise StoreError(f"{entry.name} has no {name}", wanted=f"one of {', '.join(entry.manifest['files'])}")
    return lake.read(ref_from(entry.manifest["files"][name]))


def file_ref(entry: Entry, name: str) -> Ref:
    return ref_from(entry.manifest["files"][name])


def damaged(lake: Lake, entry: Entry) -> list[str]:
    """Files of a generation that are missing or changed."""
    bad = []
    for name in entry.manifest.get("files", {}):
        try:
            read_file(lake, entry, name)
        except StoreError:
            bad.append(name)
    return bad


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


def mark_tidied(lake: Lake, entry: Entry) -> None:
    """Say that the files of an old generation are removed on purpose; its manifest stays."""
    lake.put_json(f"{_folder(entry.number)}/tidied.json", {"files": sorted(entry.manifest["files"])})


def tidied(lake: Lake, entry: Entry) -> bool:
    return lake.exists(f"{_folder(entry.number)}/tidied.json")


def doctor(lake: Lake, fix: bool = False) -> list[str]:
    """What does not agree, in sentences; with `fix` the pointer CURRENT is set right."""
    history = list(entries(lake))
    whole = [e for e in history if not tidied(lake, e)]
    found = [f"{e.name}: {name} is missing or damaged." for e in whole for name in damaged(lake, e)]
    complete = {e.number for e in history}
    found += [f"{_name(n)} was claimed and never finished." for n in sorted(_claimed(lake) - complete)]
    wanted = history[-1].serves if history else None
    said = json.loads(lake.read("CURRENT"))["generation"] if lake.exists("CURRENT") else None
    if said != wanted:
        found.append(f"CURRENT names {said}, the sequence says {wanted}." + (" Mended." if fix else ""))
        if fix and history:
            _point(lake, history[-1])
    return found


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
        if lake.claim(f"{_folder(number)}/claim.json", claim):
            return number
        other = lake.read_json(f"{_folder(number)}/claim.json")
        if other["key"] == key:
            return number
        if time.time() - float(other["at"]) < STALE_SECONDS:
            raise ConflictError(
                f"{_name(number)} is being written by another run",
                got=f"claim of {other['key'][:24]}",
                cure="Wait for it to end, or run again in an hour if it died.",
            )
        number += 1


def _commit(lake: Lake, number: int, manifest: Mapping[str, Any]) -> Entry:
    path = f"{_folder(number)}/manifest.json"
    lake.put_json(path, dict(manifest))
    entry = Entry(number, str(manifest["kind"]), lake.read_json(path))
    pointed = 0
    while (newest := list(entries(lake))[-1]).number != pointed:  # whoever writes the pointer last has looked since
        _point(lake, newest)
        pointed = newest.number
    return entry


def _point(lake: Lake, entry: Entry) -> None:
    lake.point("CURRENT", json.dumps({"generation": entry.serves, "entry": entry.number}).encode())


def _claimed(lake: Lake) -> set[int]:
    return {int(p.split("/")[1][4:]) for p in lake.paths(FOLDER) if p.endswith("/claim.json")}


def _name(number: int) -> str:
    return f"gen-{number:06d}"


def _folder(number: int) -> str:
    return f"{FOLDER}/{_name(number)}"
