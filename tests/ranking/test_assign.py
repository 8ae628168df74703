"""Assignment: vectors any language must reproduce, stickiness, ramps, exclusion, even and independent buckets."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import chisquare

from recsys.errors import ConfigError
from recsys.ranking.assign import BUCKETS, ABTest, Allocation, allocated, arm_of, arms_of, bucket, check_tests

# computed with `printf '%s' salt:visitor | sha256sum` and `bc`, not with this code
VECTORS = {"home-2024:v1": 2920, "home-2024:C000123": 8225, "checkout:Zoë": 165, "a:b:c": 8206}
THREE = ABTest("home-2024", ("control", "als", "lightfm"), (0.5, 0.25, 0.25))


def test_vectors() -> None:
    assert {key: bucket(*key.split(":", 1)) for key in VECTORS} == VECTORS


def test_another_process_gives_the_same_arms() -> None:
    code = (
        "import json; from recsys.ranking.assign import ABTest, arm_of;"
        "t = ABTest('home-2024', ('control', 'als', 'lightfm'), (.5, .25, .25));"
        "print(json.dumps([arm_of(t, f'v{i}') for i in range(50)]))"
    )
    there = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert there == [arm_of(THREE, f"v{i}") for i in range(50)]
    assert set(there) == {"control", "als", "lightfm"}


def test_arms_own_runs_of_buckets() -> None:
    for i in range(300):
        at = bucket("home-2024", f"v{i}")
        assert arm_of(THREE, f"v{i}") == ("control" if at < 5000 else "als" if at < 7500 else "lightfm")


def test_buckets_are_even_and_two_salts_independent() -> None:
    one = np.array([bucket("a", str(i)) for i in range(100_000)])
    two = np.array([bucket("b", str(i)) for i in range(100_000)])
    assert chisquare(np.bincount(one // 100, minlength=100)).pvalue > 0.001
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.015


def test_a_ramp_adds_visitors_and_moves_nobody() -> None:
    small = ABTest("home-2024", THREE.arms, THREE.shares, window=(0, 1000))
    ids = [f"v{i}" for i in range(3000)]
    before = {v: arm for v in ids if (arm := arm_of(small, v))}
    after = {v: arm_of(THREE, v) for v in ids}
    assert 200 < len(before) < 400
    assert all(after[v] == arm for v, arm in before.items())
    assert {arm for arm in before.values()} == set(THREE.arms)  # who takes part says nothing about the arm


def test_exclusion_groups_never_share_a_visitor() -> None:
    one = ABTest("one", ("a", "b"), (0.5, 0.5), "home", (0, 4000))
    two = ABTest("two", ("c", "d"), (0.5, 0.5), "home", (4000, 9000))
    free = ABTest("free", ("e", "f"), (0.5, 0.5))
    check_tests([one, two, free])
    found = [arms_of([one, two, free], f"v{i}") for i in range(2000)]
    assert not any({"one", "two"} <= set(f) for f in found)
    assert all("free" in f for f in found)
    assert np.mean(["one" in f for f in found]) == pytest.approx(0.4, abs=0.04)
    with pytest.raises(ConfigError, match="do not overlap"):
        check_tests([one, ABTest("three", ("a", "b"), (0.5, 0.5), "home", (3999, 5000))])
    with pytest.raises(ConfigError, match="twice"):
        check_tests([one, one])


def test_an_allocation_is_obeyed_per_seller() -> None:
    plan = Allocation(("als", "ease"), (0.8, 0.2), sellers={"mug shop": (0.0, 1.0)})
    drawn = [allocated(plan, f"v{i}") for i in range(4000)]
    assert np.mean([arm == "als" for arm, _ in drawn]) == pytest.approx(0.8, abs=0.03)
    assert {arm: p for arm, p in drawn} == {"als": 0.8, "ease": 0.2}
    assert {allocated(plan, f"v{i}", "mug shop") for i in range(100)} == {("ease", 1.0)}
    assert allocated(plan, "v1", "unknown seller") == allocated(plan, "v1")


def test_an_allocation_read_back_moves_nobody() -> None:
    plan = Allocation(("ease", "als"), (0.7, 0.3), "night-9", {"mug shop": (0.1, 0.9)})
    back = Allocation.from_json(plan.to_json())
    assert back.salt == "night-9"
    for seller in ("", "mug shop"):
        assert [allocated(back, f"v{i}", seller) for i in range(300)] == [
            allocated(plan, f"v{i}", seller) for i in range(300)
        ]
    assert Allocation.from_json('{"arms": {"champion": 1.0}, "sellers": {}}') == Allocation(("champion",), (1.0,))
    for text in ("", "[]", '{"arms": {"a": 0.5}}', '{"arms": {"a": "x"}}', '{"sellers": {}}'):
        with pytest.raises(ConfigError):
            Allocation.from_json(text)


def test_shares_that_do_not_round_leave_no_bucket_without_an_arm() -> None:
    thirds = ABTest("t", ("a", "b", "c"), (1 / 3, 1 / 3, 1 / 3))
    assert {arm_of(thirds, str(i)) for i in range(100)} == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("arms", "shares", "window"),
    [
        (("a", "a"), (0.5, 0.5), (0, BUCKETS)),
        (("a", "b"), (0.5, 0.6), (0, BUCKETS)),
        (("a", "b"), (1.5, -0.5), (0, BUCKETS)),
        (("a", "b"), (1.0,), (0, BUCKETS)),
        ((), (), (0, BUCKETS)),
        (("a", "b"), (0.5, 0.5), (500, 500)),
    ],
)
def test_tests_that_make_no_sense(arms: tuple[str, ...], shares: tuple[float, ...], window: tuple[int, int]) -> None:
    with pytest.raises(ConfigError):
        ABTest("t", arms, shares, window=window)
