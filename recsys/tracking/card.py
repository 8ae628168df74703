"""The model card of a champion's version: what it is, its data, its metrics by group, its limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from recsys.config import Settings

Json = Mapping[str, Any]
LONGEST = 4900  # characters of a version's description


def model_card(settings: Settings, night: Json, record: Json, decision: Json, manifest: Json) -> str:
    """Markdown. record: the champion's backtest; a failed or missing one leaves its metrics out."""
    parts = (_what(settings, manifest, decision), _data(settings, night), _metrics(settings, record), _limits(manifest))
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def described(card: str) -> str:
    """The card as far as a description goes."""
    return card if len(card) <= LONGEST else card[: LONGEST - 40].rsplit("\n", 1)[0] + "\n\nThe whole card: card.md."


def _what(settings: Settings, manifest: Json, decision: Json) -> Iterator[str]:
    number = int(manifest["number"])
    yield f"# {manifest['champion']}, generation gen-{number:06d}"
    yield f"What {settings.shop.name} shows each customer next: published lists, answered by customer id."
    yield "Ask with a list of customer ids; the answer is one list of product ids each, best first. An unknown customer"
    yield "gets the shop's default list."
    yield ""
    yield f"**Why it is champion.** {' '.join(decision.get('reasons', ()))}"


def _data(settings: Settings, night: Json) -> Iterator[str]:
    sizes = dict(night.get("sizes", {}))
    told = ", ".join(f"{sizes[k]:,} {k}" for k in ("orders", "customers", "products") if k in sizes)
    yield "## Data"
    yield f"- Orders of {settings.shop.name} up to {night['as_of']}" + (f": {told}." if told else ".")
    yield f"- Dataset sha256 `{str(night['digest'])[:16]}`, in the lake: `{dict(night['dataset']).get('path', '')}`."
    yield f"- Judged on the last {settings.contest.days} days, which the judged fit had not seen."


def _metrics(settings: Settings, record: Json) -> Iterator[str]:
    primary, track = settings.contest.primary, settings.contest.track
    card = dict(record.get("tracks", {})).get(track)
    yield "## Metrics"
    if not card:
        yield f"No backtest tonight ({record.get('reason') or 'it was not judged'}): an earlier scorer is served."
        return
    yield f"| {track} track, {settings.contest.level:.0%} interval | mean | low | high |"
    yield "|---|---|---|---|"
    for name, told in sorted(card["metrics"].items(), key=lambda item: item[0] != primary):
        if told["mean"] is not None:
            yield f"| {name} | {told['mean']:.4f} | {told['low']:.4f} | {told['high']:.4f} |"
    groups = [(group, told) for group, told in card.get("groups", {}).items() if told.get(primary) is not None]
    if groups:
        yield ""
        yield f"| group of customers | n | {primary} |"
        yield "|---|---|---|"
        for group, told in groups:
            yield f"| {group} | {int(told.get('n') or 0):,} | {told[primary]:.4f} |"


def _limits(manifest: Json) -> Iterator[str]:
    yield "## Limits"
    yield "- It ranks what was bought; that showing it causes the purchase is for an experiment to say."
    yield "- Lists are of one night: what was bought, sold out or priced since is not in them."
    yield "- Groups with few customers have wide intervals; a mean over all says little about them."
    if int(manifest.get("scorer_age_nights", 0)):
        yield f"- The scorer is {manifest['scorer_age_nights']} nights old: it could not be fitted since."
    shares = {str(k): float(v) for k, v in dict(manifest.get("rungs") or {}).items() if v}
    others = {k: v for k, v in shares.items() if k != manifest["champion"]}
    if others:
        told = ", ".join(f"{k} {v:.1%}" for k, v in others.items())
        yield f"- Places not filled by the champion itself: {told}."
