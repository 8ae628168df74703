from __future__ import annotations

import numpy as np
import pytest

from recsys import arrays
from recsys.contract import Run
from recsys.errors import StoreError
from recsys.models.popularity import Popularity
from recsys.scorers.store import Stored, load_scorer, scorer_bytes
from tests import worlds


def test_round_trip_keeps_scores_and_digest() -> None:
    data = worlds.dataset([[0, 1], [1], []], 4)
    scorer = Popularity(per_segment=True).fit(data, Run()).scorer
    blob = scorer_bytes(scorer)
    again = load_scorer(blob)
    assert arrays.digest(again) == arrays.digest(scorer)
    assert scorer_bytes(again) == blob
    queries = worlds.queries(data)
    np.testing.assert_array_equal(again.score(queries), scorer.score(queries))


def test_unknown_kinds_are_refused_both_ways() -> None:
    with pytest.raises(StoreError, match="cannot be stored"):
        scorer_bytes(object())
    alien = arrays.to_bytes(Stored("os.system", np.empty(0, dtype=np.uint8)))
    with pytest.raises(StoreError, match=r"kind 'os\.system'"):
        load_scorer(alien)
    with pytest.raises(StoreError):
        load_scorer(b"not a scorer")
