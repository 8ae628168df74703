"""MovieLens-100K with whole films held out: what is known of a film must place it where its history cannot."""

from __future__ import annotations

import pytest

from benchmarks import cold_products


@pytest.mark.slow
@pytest.mark.skipif(not cold_products.FOLDER.exists(), reason="MovieLens-100K is not beside the repository")
@pytest.mark.parametrize("family", cold_products.FAMILIES)
def test_features_rank_films_that_were_never_rated(family: str) -> None:
    have, lack, difference = cold_products.compare(family, seed=0)
    assert difference.low > 0
    assert have > 1.2 * lack, "and not by a hair"
