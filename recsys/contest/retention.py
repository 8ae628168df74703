"""What old nights leave behind is removed: the newest generations and whatever they need stay.

Only arrays and tables go. The JSON records stay: history, decisions and a re-run of an old night read as before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from recsys import publication
from recsys.data.lake import Lake, references

SWEPT = ("datasets", "blends", "fits", "nights", "reports", publication.FOLDER)
YOUNG_SECONDS = 86_400.0  # what a night in progress has written is nobody's yet


def tidy(lake: Lake, keep: int) -> dict[str, int]:
    """Remove what neither the newest `keep` generations, the one served nor its way back needs.

    Returns {"generations": how many lost their files tonight, "files": removed}.
    """
    history = list(publication.entries(lake))
    published = [e for e in history if e.kind == "publish"]
    kept = {e.name for e in published[-keep:]} | publication.needed(history)
    reachable = {"reports/latest.html", *_reachable(lake, [e for e in published if e.name in kept])}
    gone = [e for e in published if e.name not in kept and not publication.tidied(lake, e)]
    for entry in gone:
        publication.mark_tidied(lake, entry)
    files = 0
    for path in _swept(lake):
        if path not in reachable and not _under(path, reachable) and lake.age(path) > YOUNG_SECONDS:
            lake.remove(path)
            files += 1
    return {"generations": len(gone), "files": files}


def _swept(lake: Lake) -> list[str]:
    return [path for folder in SWEPT for path in lake.paths(folder) if not path.endswith(".json")]


def _reachable(lake: Lake, kept: Iterable[publication.Entry]) -> Iterator[str]:
    """Paths, and folders ending in /, that kept generations need: own files, their night's, tomorrow's scorers."""
    for entry in kept:
        yield f"{publication.FOLDER}/{entry.name}/"
        night = str(entry.manifest["night"])
        folder = night.rsplit("/", 1)[0]  # nights/AS_OF/KEY
        page = "reports/{1}-{2:.8}".format(*folder.split("/"))
        yield from (f"{folder}/", f"{page}/", f"{page}.html")
        yield from references(lake.read_json(night))


def _under(path: str, reachable: set[str]) -> bool:
    parts = path.split("/")
    return any("/".join(parts[:n]) + "/" in reachable for n in range(1, len(parts)))
