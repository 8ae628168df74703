from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from recsys.contract import Run
from recsys.errors import FitError
from recsys.models.lightfm import Lightfm
from recsys.models.lightfm_data import training
from tests import worlds

LOSSES = ("logistic", "bpr", "warp", "warp-kos")


@pytest.mark.parametrize("loss", LOSSES)
def test_scores_equal_the_library_s_own_predict(loss: str) -> None:
    """The model is rebuilt from the fitted state, so that nothing of our folding is shared."""
    from lightfm import LightFM

    data = worlds.checkerboard()
    fitted = Lightfm(loss=loss, dimension=3, epochs=4).fit(data, Run(seed=2))  # type: ignore[arg-type]
    given = training(data, True)
    model = LightFM(no_components=3, loss=loss)
    for side, prefix in (("customer", "user"), ("product", "item")):
        setattr(model, f"{prefix}_embeddings", fitted.state[f"{side}_embedding"])
        setattr(model, f"{prefix}_biases", fitted.state[f"{side}_bias"])
        for name in ("embedding_gradients", "embedding_momentum", "bias_gradients", "bias_momentum"):
            setattr(model, f"{prefix}_{name}", fitted.state[f"{side}_{name}"])
    who, what = np.repeat(np.arange(22), 16), np.tile(np.arange(16), 22)
    own = model.predict(who, what, given.products.matrix, given.customers.matrix).reshape(22, 16)
    np.testing.assert_allclose(fitted.scorer.score(worlds.queries(data)), own, atol=2e-6)


def test_a_new_product_with_known_features_gets_a_vector() -> None:
    """Product 15 was never sold; its features say odd, so odd customers are offered it before even ones."""
    data = worlds.with_features(worlds.dataset([[j for j in range(14) if j % 2 == c % 2] for c in range(22)], 16))
    scorer = Lightfm(dimension=4, epochs=30).fit(data, Run()).scorer
    scores = scorer.score(worlds.queries(data))
    assert np.isfinite(scores[:, 15]).all()
    assert (scores[1::2, 15] > scores[1::2, 14]).all()
    assert (scores[0::2, 14] > scores[0::2, 15]).all()
    without = Lightfm(dimension=4, epochs=2, side_features=False).fit(data, Run()).scorer
    assert np.isnan(without.score(worlds.queries(data))[:, [14, 15]]).all()
    assert len(without.inputs) == 0


def test_a_new_customer_with_known_features_gets_a_list() -> None:
    data = worlds.checkerboard()
    scorer = Lightfm(dimension=4, epochs=30).fit(data, Run()).scorer
    asked = worlds.queries(data, [-1, -1], history=[[], []])
    features = dataclasses.replace(data.customer_features, matrix=data.customer_features.matrix[[0, 1]])
    even, odd = scorer.score(dataclasses.replace(asked, features=features))
    assert even[0::2].mean() > even[1::2].mean()
    assert odd[1::2].mean() > odd[0::2].mean()


def test_logistic_negatives_are_never_purchases() -> None:
    given = training(worlds.checkerboard(), True)
    bought, weight = given.with_negatives(5, np.random.default_rng(0))
    own = set(zip(given.bought.row.tolist(), given.bought.col.tolist(), strict=True))
    negative = bought.data < 0
    drawn = set(zip(bought.row[negative].tolist(), bought.col[negative].tolist(), strict=True))
    assert not own & drawn
    assert 2 * given.bought.nnz < negative.sum() < 5 * given.bought.nnz
    assert bought.shape == weight.shape


def test_recent_purchases_weigh_more_and_the_mean_is_one() -> None:
    data = worlds.dataset([[0, 1], [1]], 2, days_ago=[[120, 0], [240]])
    np.testing.assert_allclose(training(data, True).weight.data, np.array([0.5, 1, 0.25]) / (1.75 / 3), rtol=1e-6)


def test_a_state_of_another_shape_family_or_optimiser_means_a_cold_start() -> None:
    data = worlds.checkerboard()
    state = Lightfm(dimension=3, epochs=3).fit(data, Run()).state
    warm = Lightfm(dimension=3, epochs=9).fit(data, Run(start=state))
    assert (warm.report["warm_start"], warm.report["n_iterations"]) == (True, 3)
    for contender, start in (
        (Lightfm(dimension=4, epochs=2), state),
        (Lightfm(dimension=3, epochs=2, learning_rate=None), state),
        (Lightfm(dimension=3, epochs=2), {"as_of": state["as_of"], "product_vectors": np.ones((2, 3))}),
    ):
        assert contender.fit(data, Run(start=start)).report["warm_start"] is False


def test_no_setting_is_ignored() -> None:
    data = worlds.checkerboard()

    def embedding(**settings: object) -> np.ndarray:
        return Lightfm(dimension=3, epochs=2, **settings).fit(data, Run()).state["product_embedding"]  # type: ignore

    plain = embedding()
    for changed in (
        {"learning_rate": None},
        {"learning_rate": 0.1},
        {"regularisation": 0.01},
        {"samples": 1},
        {"loss": "bpr"},
    ):
        assert not np.array_equal(embedding(**changed), plain)


def test_the_training_auc_rises() -> None:
    seen: list[float] = []
    run = Run(log=lambda step, **numbers: seen.append(numbers["train_auc"]))
    Lightfm(epochs=12, side_features=False).fit(worlds.checkerboard(), run)
    assert len(seen) == 12
    assert seen[-1] > 0.95
    assert seen[0] < 0.6


def test_divergence_and_nan_features_are_fit_errors() -> None:
    data = worlds.checkerboard()
    huge = dataclasses.replace(data.product_features, matrix=data.product_features.matrix * np.float32(1e10))
    with pytest.raises(FitError, match="finite"):
        Lightfm(epochs=5, learning_rate=10.0).fit(dataclasses.replace(data, product_features=huge), Run())
    nan = data.customer_features.matrix.copy()
    nan.data[3] = np.nan
    broken = dataclasses.replace(data.customer_features, matrix=nan)
    with pytest.raises(FitError, match="NaN in feature 'f:"):
        Lightfm(epochs=1).fit(dataclasses.replace(data, customer_features=broken), Run())
    with pytest.raises(FitError, match="1 product sold"):
        Lightfm().fit(worlds.dataset([[0], [0]], 3), Run())
