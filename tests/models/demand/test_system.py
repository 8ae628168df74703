import numpy as np

from recsys.contract import EMPTY, Index, Offers, Space
from recsys.models.demand.panel import Panel
from recsys.models.demand.system import expected_quality


def test_a_segment_that_shares_a_market_with_others_has_the_pools_effect() -> None:
    """north stands alone, tiny is part of ~other; quality = product + segment + period, segments 3 apart."""
    markets = Index.of(f"{s}@2025-01-{d}" for s in ("north", "~other") for d in ("06", "13"))
    names = np.array([str(m) for m in markets.ids])
    market, alternative = np.repeat(np.arange(4), 3).astype(np.int32), np.tile(np.arange(3), 4).astype(np.int32)
    n = len(market)
    ones = np.ones(n)
    offers = Offers(Index.of("abc"), np.arange(3, dtype=np.int32), market, alternative, ones,
                    np.zeros(n, dtype=np.int32), np.ones(4), np.empty((n, 0)), shares=0.1 * ones)  # fmt: skip
    space = Space(EMPTY, Index.of("abc"), segments=Index.of(("north", "tiny")), markets=markets)
    pooled = np.array([name.startswith("~") for name in names])[market]
    rest = np.array([0.0, 1.0, 2.0])[alternative] + np.where(pooled, -1.5, 1.5)
    product, segment, period = expected_quality(Panel(offers, space), rest)
    assert segment.tolist() == [1.5, -1.5, -1.5]
    assert np.allclose(np.diff(product), 1)
    assert period == 0
