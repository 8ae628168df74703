"""A promotion that waits for a person: the proposal, the answer, and the decision that comes of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsys.data.lake import Lake

Json = dict[str, Any]
PROMOTE, KEEP = "promote", "keep"


def settle(lake: Lake, decision: Mapping[str, Any], answer: Mapping[str, Any]) -> Json:
    """The final decision, stored beside the first one; the first one itself where it proposed nobody.

    answer: {"answer": "promote" | "keep", "by": who said so, "" when nobody answered in time}. Anything but a promote
    keeps the champion.
    """
    name, champion = decision.get("proposal"), decision["champion"]
    if not name:
        return dict(decision)
    by = " ".join(str(answer.get("by") or "").split())[:80]
    promoted = answer.get("answer") == PROMOTE and bool(by)
    would = str(decision["reasons"][-1])
    if promoted:
        final = {"action": "promote", "champion": name, "previous": champion}
        reasons = [would.replace(" would replace ", " replaces "), f"Approved by {by}."]
    else:
        final = {"action": "keep"}
        said = f"{by} kept {champion}." if by else f"Nobody answered in time, so {champion} stays."
        reasons = [f"{said} `recsys champion promote {name}` can still be said.", would]
    path = str(decision["path"]).removesuffix(".json") + (f"-{PROMOTE}.json" if promoted else f"-{KEEP}.json")
    told = {**decision, **final, "reasons": reasons, "proposal": None, "path": path}
    settled: Json = lake.once(path, lambda: told)
    return settled
