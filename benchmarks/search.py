"""Search on Online Retail against a tuned TF-IDF: rarer descriptions find their product, titles find what goes along.

    python -m benchmarks.search [--json OUT] [--seed 0]

Many stock codes carry several descriptions. The most frequent one is the product's title, all that either side learns
from; the rarer ones are queries for their product (recall@10). Intent: a query is the title of one product of an order
of the last 28 days, drawn by seed; a hit is another product of that order among the ten best, the query's own product
left out (hit@10). The baseline's weights are chosen on the rarer descriptions of every other product and on the orders
of the 28 days before, for each task on its own; ours are the defaults, one scorer for both. Figures are of what the
baseline was not tuned on, the orders before the last 28 days being what our co-purchases are learnt from.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product as combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.sidebyside import machine
from recsys.config import Settings, load
from recsys.contract import Dataset, Run
from recsys.data import dataset as builder
from recsys.data import ingest
from recsys.data.lake import Lake
from recsys.evaluation.significance import cluster_interval
from recsys.models.search import Search

SHOP = Path(__file__).parents[1] / "shops" / "online_retail" / "recsys.toml"
DAYS, K, DRAWS = 28, 10, 2000
WORDS = ((1, 1), (1, 2))
PIECES = ((2, 4), (3, 4), (3, 5))
MIXES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class World:
    """What was sold, who is asked what."""

    data: Dataset  # of the days before the last 28, a product's title its most frequent description
    rarer: tuple[str, ...]
    target: Any  # int[n] product of each rarer description
    baskets: dict[str, Baskets]  # validation: the 28 days before; test: the last 28


@dataclass(frozen=True)
class Baskets:
    """Orders of two known products or more."""

    query: Any  # int[n] the product whose title is asked for
    others: Sequence[Any]  # the other products
    customer: Any  # int[n]; a guest is a customer of their own


def world(seed: int = 0) -> World:
    """Online Retail through the front door."""
    settings = load(SHOP)
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        ingest.ingest(lake, ingest.sources_of(settings), settings.shop)
        last = ingest.day_range(lake)[1]
        assert last is not None
        lines = ingest.lake_orders(lake, last).collect()
    sold = lines.filter(pl.col("kind") == "sale", pl.col("price") > 0, pl.col("quantity") > 0)
    named = sold.with_columns(text=pl.col("title").str.strip_chars().str.replace_all(r"\s+", " "))
    data = _dataset(lines, named, last - DAYS, settings)
    rarer, target = _rarer(named.filter(pl.col("day") <= last - DAYS), data)
    windows = {"validation": (last - 2 * DAYS, last - DAYS), "test": (last - DAYS, last)}
    found = {name: _baskets(sold, data, first, until, seed) for name, (first, until) in windows.items()}
    return World(data, rarer, target, found)


def _dataset(lines: pl.DataFrame, named: pl.DataFrame, day: int, settings: Settings) -> Dataset:
    data = builder.build(builder.Tables(lines.filter(pl.col("day") <= day)), day, settings)
    best = {p: t for p, t, _ in _descriptions(named.filter(pl.col("day") <= day)).iter_rows()}
    titles = np.array([best.get(p, "") for p in data.space.products.ids], dtype=object)
    return dataclasses.replace(data, catalogue=dataclasses.replace(data.catalogue, title=titles))


def _descriptions(named: pl.DataFrame) -> pl.DataFrame:
    """(product, text, lines), the most frequent description of a product last."""
    counted = named.filter(pl.col("text").is_not_null()).group_by("product", "text").len()
    return counted.sort("product", "len", "text", descending=[False, False, True])


def _rarer(named: pl.DataFrame, data: Dataset) -> tuple[tuple[str, ...], Any]:
    """Descriptions of known products that are not their title, but for case."""
    row = {p: i for i, p in enumerate(data.space.products.ids)}
    pairs = {
        (text.casefold(), row[p])
        for p, text, _ in _descriptions(named).iter_rows()
        if p in row and text.casefold() != str(data.catalogue.title[row[p]]).casefold()
    }
    texts, targets = zip(*sorted(pairs), strict=True)
    return texts, np.array(targets)


def _baskets(sold: pl.DataFrame, data: Dataset, after: int, until: int, seed: int) -> Baskets:
    rng = np.random.default_rng(seed)
    window = sold.filter(pl.col("day") > after, pl.col("day") <= until).unique(["order", "product"])
    orders = window.group_by("order").agg("product", pl.col("customer").first()).sort("order")
    query, others, customer = [], [], []
    for order, products, who in orders.iter_rows():
        rows = np.unique(data.space.products.rows(products))
        rows = rows[rows >= 0]
        if len(rows) < 2:
            continue
        at = rng.integers(len(rows))
        query.append(rows[at])
        others.append(np.delete(rows, at))
        customer.append(who or f"guest {order}")
    return Baskets(np.array(query), others, np.unique(customer, return_inverse=True)[1])


class TfIdf:
    """Word and character n-grams, each TF-IDF with sublinear term frequency, mixed: what a search box does today."""

    def __init__(self, titles: Sequence[str], words: tuple[int, int], pieces: tuple[int, int], mix: float) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._parts = [
            (TfidfVectorizer(sublinear_tf=True, ngram_range=words, token_pattern=r"\w+"), mix),
            (TfidfVectorizer(sublinear_tf=True, ngram_range=pieces, analyzer="char_wb"), 1 - mix),
        ]
        self._titles = [part.fit_transform(titles) for part, _ in self._parts]

    def search(self, texts: Sequence[str]) -> Any:
        """float[n, m]"""
        scored = [w * (p.transform(texts) @ t.T) for (p, w), t in zip(self._parts, self._titles, strict=True) if w]
        return sum(scored).toarray()


def recall(scores: Any, target: Any) -> Any:
    """float[n]: is the product among the ten best? A tie counts against."""
    own = scores[np.arange(len(target)), target]
    better = (scores >= own[:, None]).sum(axis=1) - 1
    return (better < K).astype(float)


def hits(scores: Any, baskets: Baskets) -> Any:
    """float[n]: is another product of the order among the ten best, the query's own left out?"""
    scores = np.nan_to_num(scores, nan=-np.inf)
    scores[np.arange(len(baskets.query)), baskets.query] = -np.inf
    best = np.argpartition(-scores, K, axis=1)[:, :K]
    return np.array([np.isin(row, own).any() for row, own in zip(best, baskets.others, strict=True)], dtype=float)


def tuned(where: World, judge: Any) -> tuple[TfIdf, str]:
    """The baseline whose weights do best by `judge`, and what they are."""
    titles = [str(t) for t in where.data.catalogue.title]
    best = max(combinations(WORDS, PIECES, MIXES), key=lambda form: judge(TfIdf(titles, *form)))
    return TfIdf(titles, *best), f"words {best[0]}, pieces {best[1]}, weight of words {best[2]}"


def compare(ours: Any, theirs: Any, cluster: Any) -> dict[str, float]:
    """Both means and the paired difference with its 95 % interval, resampling clusters."""
    apart = cluster_interval(ours - theirs, cluster, 0.95, DRAWS)
    return {
        "ours": float(ours.mean()), "tfidf": float(theirs.mean()), "difference": apart.mean, "low": apart.low,
        "high": apart.high, "n": len(ours),
    }  # fmt: skip


def measure(seed: int = 0, where: World | None = None) -> dict[str, Any]:
    """Both tasks, with what each side is and costs."""
    where = where or world(seed)
    began, cpu = time.perf_counter(), time.process_time()
    fitted = Search().fit(where.data, Run(seed=seed))
    cost = {"fit_seconds": time.perf_counter() - began, "fit_cpu_seconds": time.process_time() - cpu}
    search, titles = fitted.scorer.search, where.data.catalogue.title  # type: ignore[attr-defined]
    odd = where.target % 2 == 1
    texts = np.array(where.rarer, dtype=object)
    tfidf, form = tuned(where, lambda b: recall(b.search(texts[~odd]), where.target[~odd]).mean())
    answers = {name: (recall(side(texts), where.target)) for name, side in (("ours", search), ("tfidf", tfidf.search))}
    described = compare(answers["ours"][odd], answers["tfidf"][odd], where.target[odd])
    whole = compare(answers["ours"], answers["tfidf"], where.target)
    past, test = where.baskets["validation"], where.baskets["test"]
    other, other_form = tuned(where, lambda b: hits(b.search(titles[past.query]), past).mean())
    asked = titles[test.query]
    intent = compare(hits(search(asked), test), hits(other.search(asked), test), test.customer)
    return {
        "descriptions": described | {"tfidf_form": form}, "descriptions_all": whole,
        "intent": intent | {"tfidf_form": other_form}, **cost, "machine": machine(),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = measure(given.seed)
    for name, title in (
        ("descriptions", "rarer descriptions, recall@10"),
        ("descriptions_all", "the same, those TF-IDF was tuned on included"),
        ("intent", "co-purchase intent, hit@10"),
    ):
        row = found[name]
        print(
            f"{title:<48} ours {row['ours']:.4f}  TF-IDF {row['tfidf']:.4f}  difference {row['difference']:+.4f} "
            f"[{row['low']:+.4f}, {row['high']:+.4f}]  n {row['n']}  {row.get('tfidf_form', '')}"
        )
    print(f"fit {found['fit_seconds']:.1f} s ({found['fit_cpu_seconds']:.1f} s CPU); {found['machine']}")
    print("met    " if found["intent"]["low"] > 0 else "NOT met", "intent above TF-IDF with its interval above 0")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
