import json

import numpy as np
import pytest

from recsys.assortment.instance import value
from recsys.assortment.read import instance_of
from recsys.assortment.rules import Traits
from recsys.assortment.state import stated
from tests.assortment import problems


@pytest.mark.parametrize("kind", ["mnl", "nested", "mixed"])
def test_what_is_stated_is_worth_the_same_when_read_again(kind: str) -> None:
    rng = np.random.default_rng(5)
    raw = {"mnl": lambda: problems.mnl(rng, 7), "nested": lambda: problems.nested(rng, 3, 7),
           "mixed": lambda: problems.mixed(rng, 4, 7)}[kind]()  # fmt: skip
    ids = tuple("abcdefg")
    instance = instance_of({**raw, "ids": list(ids), "current": ["b", "c"]})
    traits = Traits(ids, sellers=np.array(list("ssttuuu"), dtype=object), price=instance.revenue)
    again = instance_of(json.loads(json.dumps(stated(instance, traits))))
    assert again.current is not None
    for _ in range(20):
        carried = rng.random(7) < 0.5
        assert value(again, carried) == pytest.approx(value(instance, carried), rel=1e-5)
    assert np.flatnonzero(again.current).tolist() == [1, 2]


def test_what_nobody_buys_is_left_out() -> None:
    instance = instance_of({"model": "mnl", "preferences": [0.2, 0.0, 0.3], "revenues": [1, 2, 3], "ids": list("abc")})
    raw = stated(instance, Traits(tuple("abc")))
    assert raw["ids"] == ["a", "c"]
    assert raw["revenues"] == [1, 3]
