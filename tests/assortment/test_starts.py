import numpy as np
import pytest

from recsys.assortment.instance import value
from recsys.assortment.read import instance_of
from recsys.assortment.region import region_of
from recsys.assortment.starts import revenue_ordered, starts
from tests.assortment import problems


def test_revenue_ordered_is_the_best_prefix_within_the_cap() -> None:
    instance = instance_of(problems.mixed(np.random.default_rng(0), 3, 12, size=5))
    region = region_of(instance.rules, 12)
    order = np.argsort(-instance.revenue)
    prefixes = [np.isin(np.arange(12), order[:k]) for k in range(6)]
    assert value(instance, revenue_ordered(instance, region)) == pytest.approx(
        max(value(instance, p) for p in prefixes)
    )


def test_every_start_obeys_the_rules_even_where_nothing_is_not_allowed() -> None:
    rng = np.random.default_rng(1)
    raw = problems.mixed(rng, 6, 9, size=4, sellers=list("AABBBCCCC"), constraints={"sellers": {"*": {"min": 1}}})
    instance = instance_of(raw)
    region = region_of(instance.rules, 9)
    tried = list(starts(instance, region))
    assert len(tried) >= 5  # pooled visitors and four types
    assert all(region.allows(carried) for carried in tried)
