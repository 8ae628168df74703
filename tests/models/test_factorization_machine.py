from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np
import pytest
import torch

from recsys.contract import Dataset, Events, Queries, Run, State, settings_of
from recsys.data.split import validation_split
from recsys.errors import ConfigError, FitError
from recsys.models import catalog
from recsys.models.factorization_machine import FactorizationMachine
from recsys.scorers.store import scorer_bytes
from tests import worlds
from tests.models import planted

SMALL: dict[str, Any] = {"dimension": 8, "epochs": 12, "learning_rate": 0.01, "dropout": 0.1}


def machine(**settings: Any) -> FactorizationMachine:
    estimator = catalog.build("factorization_machine", SMALL | settings)
    assert isinstance(estimator, FactorizationMachine)
    return estimator


def own_group_share(scores: np.ndarray) -> float:
    best = np.nanargmax(scores[:, :45], axis=1) // 15
    return float((best == np.arange(len(scores)) % 3).mean())


@pytest.mark.parametrize("query", ["history", "customer", "both"])
@pytest.mark.parametrize("loss", ["softmax", "bpr", "logistic"])
def test_every_loss_finds_the_groups(loss: str, query: str) -> None:
    data = planted.groups()
    fitted = machine(loss=loss, query=query, epochs=30).fit(data, Run())
    assert own_group_share(fitted.scorer.score(worlds.queries(data))) > 0.9


class Columns:
    """The state's columns by name, for a score written out from the formula."""

    def __init__(self, state: State) -> None:
        self.vector: dict[str, Any] = {}
        self.weight: dict[str, float] = {}
        for table in ("about", "history", "months", "products"):
            for name, row in zip(state.get(f"{table}_names", ()), state.get(f"{table}_rows", ()), strict=True):
                wide = row.astype(np.float64)
                self.vector[name] = wide[:-1] if table == "products" else wide
                self.weight[name] = wide[-1] if table == "products" else 0.0

    def machine(self, x: dict[str, float]) -> float:
        """w'x + (|sum v x|^2 - sum |v x|^2) / 2 (Rendle 2010, equation 1 and lemma 3.1)."""
        rows = torch.tensor(np.array([self.vector[name] * value for name, value in x.items()]))
        linear = sum(self.weight[name] * value for name, value in x.items())
        return float(linear + (rows.sum(dim=0).square().sum() - rows.square().sum()) / 2)


def full_world() -> Dataset:
    """Features on both sides, bags and numbers among the products', three segments, two months."""
    past, _, _ = planted.matched(80, 21)
    words = planted.one_hot([f"word:{'xyz'[j % 3]}" for j in range(21)]).matrix
    words = words + planted.one_hot([f"word:{'xyz'[j % 2]}" for j in range(20)] + ["word:z"]).matrix
    more = {f"word:{'xyz'[at]}": words[:, [at]] for at in range(3)}
    more["size"] = np.linspace(-1, 1, 21).astype(np.float32)[:, None]
    past = dataclasses.replace(
        planted.in_months(past, [0, 1, 1]),
        product_features=planted.joined(past.product_features, more),
        customer_segment=np.array([c % 4 - 1 for c in range(80)], dtype=np.int32),
    )
    return dataclasses.replace(past, space=dataclasses.replace(past.space, segments=worlds.names("seg", 3)))


def columns_of(data: Dataset, queries: Queries, row: int, product: int) -> dict[str, float]:
    """x of one query and one product, written from the Dataset and not from the model's own matrices."""
    space, customer = data.space, int(queries.customer[row])
    own = np.unique(queries.history.take(np.array([row], np.int32)).product)
    x = {f"history:{space.products.ids[p]}": 1 / np.sqrt(len(own)) for p in own}
    x["constant"] = 1.0
    x[f"customer:{space.customers.ids[customer]}" if customer >= 0 else "customer?"] = 1.0
    likes = queries.features.matrix[row].indices
    x[f"customer.{queries.features.columns.ids[likes[0]]}" if len(likes) else "customer.likes?"] = 1.0
    segment = int(queries.segment[row])
    x[f"segment:{space.segments.ids[segment]}" if segment >= 0 else "segment?"] = 1.0
    x[f"month:{queries.time[row].astype('datetime64[s]').astype(object).month}"] = 1.0
    sold = product in set(data.events.product)
    x[f"product:{space.products.ids[product]}" if sold else "product?"] = 1.0
    line = data.product_features.matrix[product]
    for column, value in zip(line.indices, line.data, strict=True):
        x[f"product.{data.product_features.columns.ids[column]}"] = float(value)
    return x


@pytest.mark.parametrize("loss", ["softmax", "bpr", "logistic"])
def test_the_scorer_is_the_machine_up_to_what_is_the_same_for_every_product(loss: str) -> None:
    data = full_world()
    fitted = machine(loss=loss, query="both", epochs=4).fit(data, Run())
    known = worlds.queries(data, [0, 1, 2, 17, 40])
    asked = dataclasses.replace(
        known, customer=np.array([0, -1, 2, 17, 40], np.int32), time=known.time - np.arange(5) * 31 * 86_400
    )
    scores = fitted.scorer.score(asked).astype(np.float64)
    assert np.isfinite(scores).all()
    columns = Columns(fitted.state)
    exact = np.array([[columns.machine(columns_of(data, asked, r, p)) for p in range(21)] for r in range(5)])
    centred = scores - scores.mean(axis=1)[:, None], exact - exact.mean(axis=1)[:, None]
    np.testing.assert_allclose(centred[0], centred[1], atol=1e-5)
    assert np.abs(centred[1]).max() > 0.1, "there is something to be equal to"


def test_training_and_scoring_know_the_same_machine() -> None:
    """The loss of the folded scorer over all products is the one that training reports, once the rates are 0."""
    data = planted.groups(90)
    still = machine(learning_rate=1e-6, dropout=0, epochs=1).fit(data, Run())
    assert still.report["losses"][0] == pytest.approx(np.log(45 - 5), abs=0.15), "nothing learnt: all alike"


def test_interactions_beat_the_linear_part() -> None:
    past, _, truth = planted.matched(400, 60)
    fitted = machine(epochs=25).fit(past, Run())
    queries = worlds.queries(past)
    scores = fitted.scorer.score(queries)
    weight = Columns(fitted.state).weight  # columns of who asks have none: it would be the same for every product
    of_product = [columns_of(past, queries, 0, product).items() for product in range(60)]
    alone = np.tile([sum(weight.get(name, 0) * x for name, x in items) for items in of_product], (len(scores), 1))
    separately = machine(dimension=0, epochs=25).fit(past, Run()).scorer.score(queries)
    seen = past.events.seen(60).toarray() > 0

    def hit(values: np.ndarray) -> float:
        values = np.where(seen, -np.inf, values)
        own = values[np.arange(len(truth)), truth][:, None]
        return float(((values > own).sum(axis=1) < 10).mean())

    assert hit(scores) > hit(alone) + 0.15
    assert hit(scores) > hit(separately) + 0.15
    assert hit(separately) > 10 / 60, "the linear part is no straw man: it knows what sells"


def test_the_month_of_the_question_matters() -> None:
    """Products 0..14 are bought in January, the others in February, by the same people."""
    rng = np.random.default_rng(0)
    rows = [sorted({*rng.choice(15, 3).tolist(), *(15 + rng.choice(15, 3)).tolist()}) for _ in range(200)]
    data = worlds.dataset(rows, 30)
    month = np.where(data.events.product < 15, 0, 1)
    time_ = 1_672_531_200 + (month * 31 + 10) * 86_400
    order = np.lexsort((data.events.product, time_, np.repeat(np.arange(200), np.diff(data.events.start))))
    events = dataclasses.replace(data.events, product=data.events.product[order], time=time_[order])
    fitted = machine(epochs=25).fit(dataclasses.replace(data, events=events), Run())
    shares = []
    for ask_month in (0, 1):
        queries = dataclasses.replace(worlds.queries(data), history=Events.empty(200))
        at = np.full(200, 1_672_531_200 + (ask_month * 31 + 10) * 86_400 + 365 * 86_400, dtype=np.int64)
        scores = fitted.scorer.score(dataclasses.replace(queries, time=at))
        shares.append(float((scores.argmax(axis=1) < 15).mean()))
    assert shares[0] > 0.9
    assert shares[1] < 0.1


def test_features_give_a_product_never_sold_an_opinion_and_the_switch_takes_it_away() -> None:
    past, likes, _ = planted.matched()
    queries = worlds.queries(past)
    scores = machine(epochs=25).fit(past, Run()).scorer.score(queries)
    cold = np.arange(54, 60)
    assert (cold[scores[:, cold].argmax(axis=1)] % 3 == likes).mean() > 0.9
    blind = machine(side_features=False).fit(past, Run()).scorer
    assert np.isnan(blind.score(queries)[:, cold]).all()
    assert len(blind.inputs) == 0


def test_epochs_are_those_that_validated_best() -> None:
    data = planted.groups()
    fitted = machine(epochs=None, learning_rate=0.03).fit(data, Run(validation=validation_split(data, 0.3)))
    assert fitted.report["n_iterations"] == int(np.argmax(fitted.report["validation"])) + 1


def test_warm_start_carries_rows_by_id() -> None:
    data, grown = planted.groups(120), planted.groups(150)
    state = machine().fit(data, Run()).state
    cold = machine(epochs=1).fit(grown, Run()).report["losses"][0]
    warm = machine(epochs=1).fit(grown, Run(start=state)).report
    assert warm["warm_start"]
    assert warm["losses"][0] < 0.95 * cold


def test_regularisation_shortens_vectors() -> None:
    data = planted.groups(120)
    free, held = (machine(regularisation=r, dropout=0).fit(data, Run()).scorer for r in (0.0, 3.0))
    assert np.linalg.norm(held.vectors) < 0.8 * np.linalg.norm(free.vectors)


def test_same_seed_same_bytes() -> None:
    data = full_world()
    same = [scorer_bytes(machine(epochs=2).fit(data, Run(seed=s)).scorer) for s in (1, 1, 2)]
    assert same[0] == same[1] != same[2]


def test_the_deadline_is_kept() -> None:
    with pytest.raises(FitError, match="deadline"):
        machine(epochs=10_000).fit(planted.groups(60), Run(deadline=time.monotonic() + 0.2))


def test_settings_round_trip_and_are_checked() -> None:
    estimator = machine(loss="bpr", negatives=20)
    assert catalog.build("factorization_machine", settings_of(estimator)) == estimator
    for bad in ({"loss": "warp"}, {"dropout": 1.0}, {"negatives": 0}, {"rank": 3}):
        with pytest.raises(ConfigError):
            machine(**bad)
    assert len(dataclasses.fields(FactorizationMachine)) <= 10


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")
def test_a_gpu_is_used_where_there_is_one() -> None:
    data = planted.groups()
    fitted = machine(epochs=30).fit(data, Run())
    assert fitted.report["device"] == "cuda"
    assert own_group_share(fitted.scorer.score(worlds.queries(data))) > 0.9
