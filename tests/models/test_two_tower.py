from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

from recsys import arrays
from recsys.contract import Dataset, Events, Features, Run, settings_of
from recsys.data.split import ask, validation_split
from recsys.errors import ConfigError, FitError
from recsys.models import catalog
from recsys.models.torch import fields, loop
from recsys.models.two_tower import TwoTower
from recsys.scorers.store import load_scorer, scorer_bytes
from tests import worlds
from tests.models import planted

SMALL: dict[str, Any] = {"dimension": 8, "epochs": 6, "learning_rates": [0.01, 0.01]}


def tower(**settings: Any) -> TwoTower:
    estimator = catalog.build("two_tower", SMALL | settings)
    assert isinstance(estimator, TwoTower)
    return estimator


def own_group_share(scores: np.ndarray, groups: int = 3, each: int = 15) -> float:
    """How often the best product of a customer is of the customer's own group."""
    best = np.nanargmax(scores[:, : groups * each], axis=1) // each
    return float((best == np.arange(len(scores)) % groups).mean())


@pytest.mark.parametrize("query", ["history", "customer", "both"])
@pytest.mark.parametrize("join", ["inner", "cosine", "distance"])
def test_every_join_finds_the_groups(join: str, query: str) -> None:
    data = planted.groups()
    temperature = 0.2 if join == "cosine" else 1.0
    fitted = tower(join=join, query=query, temperature=temperature, epochs=12).fit(data, Run())
    assert own_group_share(fitted.scorer.score(worlds.queries(data))) > 0.95


def test_never_sold_without_features_is_no_opinion() -> None:
    data = planted.groups()
    scores = tower().fit(data, Run()).scorer.score(worlds.queries(data))
    assert np.isnan(scores[:, 45:]).all()
    assert np.isfinite(scores[:, :45]).all()


def vectors_by_hand(state: Any, data: Dataset, products: int) -> tuple[np.ndarray, np.ndarray]:
    """Query and product vectors straight from the named rows and layers of a state."""
    row = {n: dict(zip(state[f"{n}_names"], state[f"{n}_rows"], strict=True)) for n in ("about", "history", "products")}
    asked = []
    for customer in range(len(data.space.customers)):
        own = np.unique(data.events.product[data.events.start[customer] : data.events.start[customer + 1]])
        pooled = sum(row["history"][f"history:{data.space.products.ids[p]}"] for p in own) / np.sqrt(len(own))
        segment = data.space.segments.ids[data.customer_segment[customer]]
        asked.append(row["about"]["constant"] + row["about"][f"segment:{segment}"] + pooled)
    offered = [row["products"][f"product:{i}"] for i in data.space.products.ids[:products]]
    return layered(state, "query", np.array(asked)), layered(state, "product", np.array(offered))


def layered(state: Any, side: str, x: np.ndarray) -> np.ndarray:
    weights = [state[f"{side}_layer_{at}"] for at in range(sum(name.startswith(f"{side}_layer_") for name in state))]
    for at in range(0, len(weights), 2):
        y = x @ weights[at] + weights[at + 1]
        y = np.maximum(y, 0) if at + 2 < len(weights) else y
        x = y + x if y.shape == x.shape and weights[at].shape[0] == weights[at].shape[1] else y
    return x


def joined(q: np.ndarray, p: np.ndarray, join: str, temperature: float) -> np.ndarray:
    if join == "cosine":
        return (q / np.linalg.norm(q, axis=1)[:, None]) @ (p / np.linalg.norm(p, axis=1)[:, None]).T / temperature
    if join == "distance":
        return -((q[:, None, :] - p[None, :, :]) ** 2).sum(axis=2) / temperature
    return q @ p.T


@pytest.mark.parametrize("layers", [((), ()), ((8,), (12, 5))])
@pytest.mark.parametrize("join", ["inner", "cosine", "distance"])
def test_the_scorer_gives_the_joins_own_formula(join: str, layers: tuple[tuple[int, ...], ...]) -> None:
    data = planted.groups(60)
    temperature = 1.0 if join == "inner" else 0.5
    fitted = tower(
        join=join, temperature=temperature, query_layers=layers[0], product_layers=layers[1], epochs=2
    ).fit(data, Run())  # fmt: skip
    expected = joined(*vectors_by_hand(fitted.state, data, 45), join, temperature)
    scores = fitted.scorer.score(worlds.queries(data))[:, :45]
    if join == "distance":  # the query's own length is the same throughout a row and left out
        scores, expected = scores - scores.mean(axis=1)[:, None], expected - expected.mean(axis=1)[:, None]
    np.testing.assert_allclose(scores, expected, atol=2e-5)


def test_the_month_of_the_question_matters() -> None:
    """Products 0..14 are bought in January, the others in February, by the same people."""
    rng = np.random.default_rng(0)
    rows = [sorted({*rng.choice(15, 3).tolist(), *(15 + rng.choice(15, 3)).tolist()}) for _ in range(200)]
    data = worlds.dataset(rows, 30)
    start = 1_672_531_200 + 10 * 86_400
    time_ = start + (data.events.product >= 15) * 31 * 86_400
    scorer = tower(epochs=25).fit(
        dataclasses.replace(data, events=dataclasses.replace(data.events, time=time_)), Run()
    ).scorer  # fmt: skip
    asked = dataclasses.replace(worlds.queries(data), history=Events.empty(200))
    january, february = (
        scorer.score(dataclasses.replace(asked, time=np.full(200, start + month * 31 * 86_400))).argmax(axis=1) < 15
        for month in (0, 1)
    )
    assert january.mean() > 0.9
    assert february.mean() < 0.1


def test_depth_and_width_are_each_towers_own() -> None:
    fitted = tower(query_layers=[16, 4], product_layers=[], epochs=1).fit(planted.groups(60), Run())
    shapes = {name: value.shape for name, value in fitted.state.items() if "layer" in name}
    assert shapes == {
        "query_layer_0": (8, 16), "query_layer_1": (16,), "query_layer_2": (16, 4), "query_layer_3": (4,),
        "query_layer_4": (4, 8), "query_layer_5": (8,),
    }  # fmt: skip


@pytest.mark.parametrize("frozen", [0, 1])
def test_a_rate_of_zero_freezes_one_tower_and_not_the_other(frozen: int) -> None:
    rates = [0.0 if side == frozen else 0.01 for side in (0, 1)]
    states = [
        tower(learning_rates=rates, query_layers=[4], product_layers=[4], epochs=n).fit(planted.groups(60), Run()).state
        for n in (1, 3)
    ]
    sides = (("about_rows", "history_rows", "query_layer_0"), ("products_rows", "product_layer_0"))
    for side, names in enumerate(sides):
        for name in names:
            assert np.array_equal(states[0][name], states[1][name]) == (side == frozen), name


def test_features_reach_customers_and_products_never_seen() -> None:
    past, likes, truth = planted.matched()
    queries = worlds.queries(past)
    fitted = tower(epochs=20).fit(past, Run())
    scores = fitted.scorer.score(queries)
    cold = np.arange(54, 60)
    best_cold = cold[np.argmax(scores[:, cold], axis=1)] % 3
    assert (best_cold == likes).mean() > 0.9, "a product never sold has its colour"
    stranger = dataclasses.replace(
        queries, customer=np.full(len(queries), -1, np.int32), history=Events.empty(len(queries))
    )
    best = np.argmax(fitted.scorer.score(stranger), axis=1) % 3
    assert (best == likes).mean() > 0.9, "a customer without history has what is known of them"
    rank = (scores > scores[np.arange(len(truth)), truth][:, None]).sum(axis=1)
    blind = tower(epochs=20, side_features=False).fit(past, Run()).scorer
    assert np.isnan(blind.score(queries)[:, cold]).all()
    assert len(blind.inputs) == 0
    assert np.median(rank) < 20


def test_an_unknown_category_reads_a_trained_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    past, _, _ = planted.matched()
    fitted = tower().fit(past, Run())
    rows = dict(zip(fitted.state["about_names"], fitted.state["about_rows"], strict=True))
    queries = worlds.queries(past, [0])
    nobody = dataclasses.replace(
        queries,
        history=Events.empty(1),
        features=Features(sparse.csr_matrix((1, 3), dtype=np.float32), queries.features.columns),
    )
    assert fitted.scorer.tower is not None
    segment = past.space.segments.ids[int(queries.segment[0])]
    expected = rows["constant"] + rows["customer.likes?"] + rows[f"segment:{segment}"]
    asked = fitted.scorer.tower.vectors(nobody)[0] * 0.1
    np.testing.assert_allclose(asked, expected / np.linalg.norm(expected), atol=1e-5)
    monkeypatch.setattr(fields, "MASKED", 0.0)
    untrained = tower().fit(past, Run()).state
    unmasked = dict(zip(untrained["about_names"], untrained["about_rows"], strict=True))
    fresh = dict(zip(*(tower(epochs=1, learning_rates=[0, 0]).fit(past, Run()).state[f"about_{k}"]
                       for k in ("names", "rows")), strict=True))  # fmt: skip
    assert np.array_equal(unmasked["customer.likes?"], fresh["customer.likes?"]), "only masking trains it"
    assert not np.array_equal(rows["customer.likes?"], fresh["customer.likes?"])


def test_epochs_are_those_that_validated_best_and_the_refit_sees_everything() -> None:
    data = planted.groups()
    split = validation_split(data, 0.3)
    logged: list[dict[str, float]] = []
    run = Run(validation=split, log=lambda step, **numbers: logged.append({"step": step, **numbers}))
    fitted = tower(epochs=None).fit(data, run)
    curve = fitted.report["validation"]
    assert fitted.report["n_iterations"] == int(np.argmax(curve)) + 1
    assert [line["step"] for line in logged] == list(range(len(logged)))
    assert [line["validation_gain"] for line in logged[: len(curve)]] == curve
    assert len(logged) == len(curve) + fitted.report["n_iterations"]
    fixed = tower(epochs=fitted.report["n_iterations"]).fit(data, Run())
    assert arrays.digest(fixed.scorer) == arrays.digest(fitted.scorer)


def test_without_validation_the_number_of_epochs_is_fixed() -> None:
    report = tower(epochs=None).fit(planted.groups(60), Run()).report
    assert report["n_iterations"] == loop.usual_epochs(len(planted.groups(60).events.product))


def test_the_dimension_follows_the_number_of_purchases() -> None:
    assert [loop.usual_dimension(n) for n in (10, 499_999, 500_000, 10_000_000)] == [64, 64, 128, 128]
    assert tower(dimension=None, epochs=1).fit(planted.groups(60), Run()).report["dimension"] == 64


def test_rank_gain_by_hand() -> None:
    data = worlds.dataset([[0, 1, 2], [3, 4]], 6)
    split = validation_split(data, 0.4)
    fitted = tower(epochs=1).fit(data, Run())
    scores = fitted.scorer.score(split.queries)
    gains = []
    for row in range(2):
        for product in split.truth.product[split.truth.start[row] : split.truth.start[row + 1]]:
            seen = split.queries.history.take(np.array([row], np.int32)).product
            others = [p for p in range(5) if p not in seen]
            rank = sum(scores[row, p] >= scores[row, product] for p in others)
            gains.append(1 / np.log2(1 + rank))
    assert loop.rank_gain(fitted.scorer, split, 0) == pytest.approx(np.mean(gains))


def test_warm_start_carries_rows_by_id() -> None:
    data = planted.groups(120)
    first = tower(epochs=9).fit(data, Run())
    grown = planted.groups(150)
    space = dataclasses.replace(  # other ids: nothing to carry
        grown.space, products=worlds.names("o", 47), segments=worlds.names("other", 2)
    )
    nothing = first.state | {"about_names": np.array([f"other {n}" for n in first.state["about_names"]])}
    cold = tower(epochs=1).fit(grown, Run()).report["losses"][0]
    warm = tower(epochs=1).fit(grown, Run(start=first.state)).report
    strange = tower(epochs=1).fit(dataclasses.replace(grown, space=space), Run(start=nothing)).report
    assert warm["warm_start"]
    assert warm["losses"][0] < 0.9 * cold
    assert strange["losses"][0] == pytest.approx(cold, rel=0.05)
    shorter = tower(epochs=None).fit(grown, Run(start=first.state, validation=validation_split(grown)))
    assert shorter.report["n_iterations"] == 3
    assert shorter.state["epochs"][0] == 9, "a chain of warm starts does not shrink"


def test_a_later_state_or_one_of_another_form_means_a_cold_start() -> None:
    data = planted.groups(60)
    later = tower(epochs=1).fit(dataclasses.replace(data, as_of=data.as_of + 1), Run()).state
    wide, joined_, deep = (
        tower(epochs=1, **other).fit(data, Run()).state
        for other in ({"dimension": 9}, {"join": "inner"}, {"query_layers": [4]})
    )
    same = tower(epochs=1).fit(data, Run()).state
    assert tower(epochs=1).fit(data, Run(start=same)).report["warm_start"]
    broken = {name: value for name, value in same.items() if name != "products_rows"}
    for state in (later, wide, joined_, deep, broken):
        assert not tower(epochs=1).fit(data, Run(start=state)).report["warm_start"]


def test_same_seed_same_bytes_and_another_seed_others() -> None:
    past, _, _ = planted.matched(90)
    same = [scorer_bytes(tower(dropout=0.2, query_layers=[4]).fit(past, Run(seed=s)).scorer) for s in (1, 1, 2)]
    assert same[0] == same[1] != same[2]
    stored = load_scorer(same[0]).score(worlds.queries(past))
    assert np.array_equal(stored, tower(dropout=0.2, query_layers=[4]).fit(past, Run(seed=1)).scorer.score(
        worlds.queries(past)))  # fmt: skip


def test_torch_is_left_as_it_was() -> None:
    before = torch.get_num_threads(), torch.get_deterministic_debug_mode(), torch.initial_seed()
    tower(epochs=1).fit(planted.groups(60), Run())
    assert before == (torch.get_num_threads(), torch.get_deterministic_debug_mode(), torch.initial_seed())


def test_the_deadline_is_kept() -> None:
    with pytest.raises(FitError, match="deadline"):
        tower(epochs=10_000).fit(planted.groups(60), Run(deadline=time.monotonic() + 0.2))


def test_numbers_that_blow_up_are_a_fit_error() -> None:
    past, _, _ = planted.matched(60)
    product, customer = past.product_features, past.customer_features
    broken = dataclasses.replace(
        past,
        product_features=Features(product.matrix * np.float32(1e30), product.columns),
        customer_features=Features(customer.matrix * np.float32(1e30), customer.columns),
    )
    with pytest.raises(FitError, match="finite"):
        tower(join="inner").fit(broken, Run())


def test_nan_features_and_too_few_products_are_named() -> None:
    past, _, _ = planted.matched(60)
    matrix = past.customer_features.matrix.copy()
    matrix.data[0] = np.nan
    with pytest.raises(FitError, match="likes"):
        tower().fit(
            dataclasses.replace(past, customer_features=Features(matrix, past.customer_features.columns)), Run()
        )
    with pytest.raises(FitError, match="1 product sold"):
        tower().fit(worlds.dataset([[1], [1]], 3), Run())
    with pytest.raises(FitError, match="0 product sold"):
        tower().fit(worlds.dataset([[], []], 3), Run())


def test_a_customer_of_another_night_is_answered() -> None:
    data = planted.groups(60)
    scorer = tower().fit(data, Run()).scorer
    cold = ask(data, np.array(["nobody"], dtype=object), np.array([-1], np.int32))
    assert np.isfinite(scorer.score(cold)[:, :45]).all()


def test_settings_round_trip_and_are_checked() -> None:
    estimator = tower(query_layers=[16, 4], join="distance")
    assert catalog.build("two_tower", settings_of(estimator)) == estimator
    for bad in ({"join": "dot"}, {"temperature": 0}, {"learning_rates": [0.1]}, {"epochs": 0}, {"layers": []}):
        with pytest.raises(ConfigError):
            tower(**bad)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")
def test_a_gpu_is_used_where_there_is_one() -> None:
    data = planted.groups()
    fitted = tower(epochs=12, temperature=0.2).fit(data, Run())
    assert fitted.report["device"] == "cuda"
    assert own_group_share(fitted.scorer.score(worlds.queries(data))) > 0.95
