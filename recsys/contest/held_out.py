"""A backtest's fit judged on the held-out days: scorecards in the lake, what a leaderboard shows as a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsys.config import Settings
from recsys.contest.backtest import barred_products, judge, summaries
from recsys.contest.generation import popular_lately
from recsys.contest.night import folder
from recsys.contest.optional import tried
from recsys.contest.record import Record, load_fitted
from recsys.contest.segments import segments_of, sellers_shown
from recsys.contract import Dataset
from recsys.data.lake import Lake, ref_from
from recsys.data.split import HeldOut


def judge_fitted(settings: Settings, lake: Lake, night: Mapping[str, Any], record: Record) -> Record:
    """cards (a Ref per track), tracks, segments and sellers of an ok record; judged once.

    Segments and sellers are told, not judged: what goes wrong there leaves them empty, with the reason under `lost`.
    """
    place, rules = f"{folder(dict(night))}/backtest/{record['name']}", settings.contest

    def make() -> Record:
        train = lake.read_value(Dataset, ref_from(night["train"]))
        held = lake.read_value(HeldOut, ref_from(night["held"]))
        scorer, barred = load_fitted(lake, record), barred_products(train)
        cards = judge(
            record["name"],
            scorer,
            held,
            rules,
            barred=barred,
            fallback=popular_lately(train),
            features=train.product_features.matrix,
        )
        own = cards.get(rules.track)
        none: tuple[list[Record], Record] = ([], {})
        segments, no_segments = tried(
            "segments", lambda: segments_of(own, held, train, rules, night["seed"]) if own else [], none[0]
        )
        sellers, no_sellers = tried("sellers", lambda: sellers_shown(own, train) if own else {}, none[1])
        lost = {name: why for name, why in (("segments", no_segments), ("sellers", no_sellers)) if why}
        return {
            "cards": {t: lake.put_value(f"{place}/{t}.safetensors", card).json() for t, card in cards.items()},
            "tracks": summaries(cards, rules, night["seed"]),
            "segments": segments,
            "sellers": sellers,
            **({"lost": lost} if lost else {}),
        }

    found: Record = lake.once(f"{place}/record.json", make)
    return found
