"""What benchmarks/search.py claims of Online Retail, held."""

from __future__ import annotations

import pytest

from benchmarks.search import SHOP, measure


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_search_finds_what_goes_along_where_words_alone_do_not() -> None:
    if not (SHOP.parent / "orders.csv.gz").exists():
        pytest.skip("Online Retail is not here")
    found = measure()
    intent, described = found["intent"], found["descriptions_all"]
    assert intent["n"] > 2000
    assert intent["low"] > 0.08  # .132 [.116, .148] when written
    assert intent["ours"] > 0.6
    assert described["n"] > 200
    assert described["low"] > -0.03  # rarer descriptions: not below a tuned TF-IDF
    assert described["ours"] > 0.96
