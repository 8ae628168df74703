"""Whether files and pointer are as the sequence says."""

from __future__ import annotations

import json

from recsys.data.lake import Lake
from recsys.errors import StoreError
from recsys.publication.sequence import Entry, claimed, entries, folder_of, name_of, point, read_file


def damaged(lake: Lake, entry: Entry) -> list[str]:
    """Files of a generation that are missing or changed."""
    bad = []
    for name in entry.manifest.get("files", {}):
        try:
            read_file(lake, entry, name)
        except StoreError:
            bad.append(name)
    return bad


def mark_tidied(lake: Lake, entry: Entry) -> None:
    """Say that the files of an old generation are removed on purpose; its manifest stays."""
    lake.put_json(f"{folder_of(entry.number)}/tidied.json", {"files": sorted(entry.manifest["files"])})


def tidied(lake: Lake, entry: Entry) -> bool:
    return lake.exists(f"{folder_of(entry.number)}/tidied.json")


def doctor(lake: Lake, fix: bool = False) -> list[str]:
    """What does not agree, in sentences; with `fix` the pointer CURRENT is set right."""
    history = list(entries(lake))
    whole = [e for e in history if not tidied(lake, e)]
    found = [f"{e.name}: {name} is missing or damaged." for e in whole for name in damaged(lake, e)]
    complete = {e.number for e in history}
    found += [f"{name_of(n)} was claimed and never finished." for n in sorted(claimed(lake) - complete)]
    wanted = history[-1].serves if history else None
    said = json.loads(lake.read("CURRENT"))["generation"] if lake.exists("CURRENT") else None
    if said != wanted:
        found.append(f"CURRENT names {said}, the sequence says {wanted}." + (" Mended." if fix else ""))
        if fix and history:
            point(lake, history[-1])
    return found
