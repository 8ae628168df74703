from __future__ import annotations

import dataclasses

import numpy as np

from recsys.contract import DAY, Events, stack_rows
from recsys.models.torch.purchases import Past, Purchases, shuffle


def dated(rows: list[list[int]], days: list[list[int]]) -> Events:
    events = stack_rows(rows)
    return dataclasses.replace(events, time=np.array([d * DAY for row in days for d in row], dtype=np.int64))


def test_a_product_bought_twice_on_a_day_counts_once() -> None:
    bought = Purchases.of(dated([[3, 3, 1, 3], [], [2]], [[0, 0, 5, 40], [], [7]]))
    assert bought.customer.tolist() == [0, 0, 0, 2]
    assert bought.product.tolist() == [1, 3, 3, 2]
    assert bought.month.tolist() == [0, 0, 1, 0]
    assert bought.start.tolist() == [0, 3, 3, 4]
    # 35, 33 and 40 days before the newest purchase, and the newest itself, with a half-life of 120 days
    np.testing.assert_allclose(bought.counts(5), [0, 0.8169, 0.8265, 0.7937 + 1, 0], atol=1e-4)


def test_every_purchase_is_a_target_once_and_a_visit_hides_at_most_half() -> None:
    rng = np.random.default_rng(3)
    rows = [list(rng.choice(90, n, replace=False)) for n in (1, 2, 7, 50)]
    bought = Purchases.of(stack_rows(rows))
    visits = shuffle(bought, rng, most=16)
    assert sorted(visits.target.tolist()) == list(range(60))
    for visit, customer in enumerate(visits.customer):
        own = visits.target[visits.start[visit] : visits.start[visit + 1]]
        assert set(bought.customer[own]) == {customer}
        assert len(own) <= max(1, min(16, len(rows[customer]) // 2))
        assert (visits.visit[own] == visit).all()
    assert len(visits.customer) == 1 + 2 + 3 + 4  # 7 = 3 + 3 + 1; 50 = 16 + 16 + 16 + 2


def test_targets_of_a_visit_are_of_one_month() -> None:
    rows, days = [list(range(20))], [[0] * 8 + [33] * 12]
    bought = Purchases.of(dated(rows, days))
    visits = shuffle(bought, np.random.default_rng(0))
    for visit, month in enumerate(visits.month):
        own = visits.target[visits.start[visit] : visits.start[visit + 1]]
        assert set(bought.month[own]) == {month}


def test_batches_cover_every_visit_once() -> None:
    bought = Purchases.of(stack_rows([[0, 1, 2, 3], [1], [2, 3, 4, 5, 6, 7]]))
    visits = shuffle(bought, np.random.default_rng(1), most=2)
    covered = [v for rows in visits.batches(4) for v in range(rows.start, rows.stop)]
    assert covered == list(range(len(visits.customer)))


def test_hidden_targets_leave_the_history_unless_bought_on_another_day_too() -> None:
    bought = Purchases.of(dated([[0, 1, 2, 3, 0]], [[1, 1, 1, 1, 9]]))
    visits = shuffle(bought, np.random.default_rng(2), most=1)
    for visit in range(5):
        rows = slice(visit, visit + 1)
        target = visits.target[visits.start[visit]]
        past = Past.of(bought, visits, rows)
        pooled = past.pooled(1, 6).toarray()[0]
        left = {0, 1, 2, 3} - ({bought.product[target]} - {0})
        assert set(np.flatnonzero(pooled)) == left
        np.testing.assert_allclose(pooled[list(left)], 1 / np.sqrt(len(left)), rtol=1e-6)
        assert sorted(past.product.tolist()) == [0, 0, 1, 2, 3], "what is known is not hidden"


def test_a_single_purchase_leaves_an_empty_history() -> None:
    bought = Purchases.of(stack_rows([[4], [1, 2]]))
    visits = shuffle(bought, np.random.default_rng(0))
    one = int(np.flatnonzero(visits.customer == 0)[0])
    assert Past.of(bought, visits, slice(one, one + 1)).pooled(1, 5).nnz == 0


def test_an_old_purchase_is_a_target_less_often_and_stays_in_the_history() -> None:
    rng = np.random.default_rng(4)
    bought = Purchases.of(dated([list(range(40)), list(range(40))], [[0] * 40, [240] * 40]))
    assert bought.chance[0] == 0.25, "two half-lives"
    assert bought.chance[-1] == 1
    times = np.zeros(80)
    for _ in range(400):
        visits = shuffle(bought, rng)
        times[visits.target] += 1
        past = Past.of(bought, visits, slice(0, len(visits.customer)))
        assert (~past.visible).sum() == len(visits.target), "only targets are hidden"
    assert abs(times[:40].mean() / 400 - 0.25) < 0.02
    assert (times[40:] == 400).all()
    np.testing.assert_allclose(bought.counts(41), [*[1.25] * 40, 0])
