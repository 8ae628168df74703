import time

import numpy as np

from recsys.assortment.budget import Budget
from recsys.assortment.optimise import optimise
from recsys.assortment.read import instance_of
from tests.assortment import problems


def test_entries_are_spent_and_the_last_work_may_take_more_than_is_left() -> None:
    budget = Budget.of(60, 100)
    assert budget.spend(70)
    assert budget.spend(70)
    assert not budget.spend(1)
    assert not budget.late  # the work ended it, not the clock


def test_a_part_is_lent_and_what_it_did_not_need_comes_back() -> None:
    budget = Budget.of(100, 1000)
    part = budget.part(0.2)
    assert (part.entries, budget.entries) == (200, 800)
    assert part.end < budget.end
    part.spend(50)
    budget.join(part)
    assert budget.entries == 950


def test_the_clock_ends_what_is_left_and_is_remembered() -> None:
    budget = Budget.of(-1, 100)
    assert not budget.spend(1)
    assert budget.late
    assert budget.entries == 100
    more = budget.at_least(60, 500)
    assert more.entries == 500
    assert more.lasts()


def test_an_answer_by_entries_does_not_depend_on_the_clock(monkeypatch) -> None:
    """The clock runs a thousand times faster: the same set, bound and gap, and no note."""
    instance = instance_of(problems.mixed(np.random.default_rng(5), 4, 40, size=6))
    found = optimise(instance, 1e6, 200_000)
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: 1000 * clock())
    again = optimise(instance, 1e6, 200_000)
    assert (again.value, again.bound, again.notes) == (found.value, found.bound, ())
    assert again.carried.tolist() == found.carried.tolist()
    assert optimise(instance, 1e6, 40_000_000).gap < found.gap  # it was the entries that ended it
    assert "The clock ended the search after 0 s" in optimise(instance, 0.0, 200_000).notes[0]
    assert not any("clock" in note for note in optimise(instance, 0.0).notes)  # seconds were asked for
