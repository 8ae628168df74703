"""Text as columns: words and the three- and four-letter pieces of words, hashed, so that no vocabulary is kept."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self
from zlib import crc32

import numpy as np
from scipy import sparse

from recsys.contract import F32, I32, Rows

BUCKETS = 2**18
PIECES = (3, 4)  # letters
WORD_WEIGHT = 2.0  # of a whole word, next to 1 of a piece of it
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class TextColumns:
    """Buckets that some title fell into are columns, weighted by rarity; what no title holds says nothing."""

    place: I32  # [BUCKETS] column of each bucket, -1 = no title holds it
    rarity: F32  # [columns] log((1 + titles) / (1 + titles that hold it)) + 1

    @property
    def size(self) -> int:
        return len(self.rarity)

    @classmethod
    def fit(cls, titles: Iterable[str]) -> Self:
        """Columns of everything the titles hold."""
        held: Counter[int] = Counter()
        n = 0
        for title in titles:
            held.update(set(_buckets(title)))
            n += 1
        used = np.array(sorted(held), dtype=np.int64)
        place = np.full(BUCKETS, -1, dtype=np.int32)
        place[used] = np.arange(len(used), dtype=np.int32)
        counts = np.array([held[bucket] for bucket in used.tolist()], dtype=np.float64)
        return cls(place, (np.log((1 + n) / (1 + counts)) + 1).astype(np.float32))

    def rows(self, texts: Sequence[str]) -> Rows:
        """[n, columns] csr float32, each row of length 1; a text of which nothing is known is an empty row."""
        cells = [self._cells(text) for text in texts]
        start = np.concatenate([[0], np.cumsum([len(c) for c in cells])]).astype(np.int64)
        at = np.array([column for c in cells for column in sorted(c)], dtype=np.int32)
        data = np.array([c[column] for c in cells for column in sorted(c)], dtype=np.float32)
        return sparse.csr_matrix((data, at, start), shape=(len(texts), self.size), dtype=np.float32)

    def _cells(self, text: str) -> dict[int, float]:
        weight: dict[int, float] = {}
        for bucket, value in _buckets(text).items():
            column = int(self.place[bucket])
            if column >= 0:
                weight[column] = value * float(self.rarity[column])
        length = float(np.sqrt(sum(w * w for w in weight.values())))
        return {column: w / length for column, w in weight.items()}


def _buckets(text: str) -> dict[int, float]:
    """Bucket -> weight. A word falls into a bucket of its own, whatever pieces it has."""
    found: defaultdict[int, float] = defaultdict(float)
    for word in _WORD.findall(text.casefold()):
        found[_bucket("=" + word)] += WORD_WEIGHT
        ends = f"_{word}_"
        for n in PIECES:
            for at in range(len(ends) - n + 1):
                found[_bucket(ends[at : at + n])] += 1.0
    return dict(found)


def _bucket(token: str) -> int:
    return crc32(token.encode()) % BUCKETS
