from __future__ import annotations

import numpy as np

from recsys.contract import Run
from recsys.models.user_neighbours import UserNeighbours
from tests import worlds


def test_cosine_by_hand() -> None:
    """powers (0, .5, 0) and sharpness 1 are cosine, but for the length of who asks."""
    data = worlds.dataset([[0, 1], [0, 1, 2], [1, 3, 4, 2], [4]], 5)
    scorer = (
        UserNeighbours(neighbours=3, powers=(0.0, 0.5, 0.0), sharpness=1.0, half_life_days=None).fit(data, Run()).scorer
    )
    scores = scorer.score(worlds.queries(data, [0]))
    near, far = 2 / np.sqrt(3), 1 / np.sqrt(4)
    np.testing.assert_allclose(scores, [[near, near + far, near + far, far, far]], rtol=1e-6)


def test_the_textbook_shop() -> None:
    """A bought t-shirts, mugs and posters, B mugs, posters and canvas: A is offered canvas, B t-shirts."""
    tshirt, mug, poster, canvas, sticker = range(5)
    data = worlds.dataset([[tshirt, mug, poster], [mug, poster, canvas], [sticker]], 5)
    scores = UserNeighbours().fit(data, Run()).scorer.score(worlds.queries(data))
    scores[data.events.seen(5).nonzero()] = np.nan
    assert np.nanargmax(scores[0]) == canvas
    assert np.nanargmax(scores[1]) == tshirt
    assert np.isnan(scores[2]).all()


def test_powers_and_sharpness_by_hand() -> None:
    """Customers 0 and 1 share product 0 (3 buyers); customer 1 has 2 purchases; product 2 has 1 buyer."""
    data = worlds.dataset([[0, 1], [0, 2], [0]], 4)
    scorer = UserNeighbours(powers=(0.5, 0.8, 0.3), sharpness=2.0, half_life_days=None).fit(data, Run()).scorer
    scores = scorer.score(worlds.queries(data, [0]))
    similarity = 3**-0.5 / 2**0.8
    np.testing.assert_allclose(scores[0, 2], similarity**2 * 1**-0.3, rtol=1e-5)
    np.testing.assert_allclose(scores[0, 0], (similarity**2 + (3**-0.5) ** 2) * 3**-0.3, rtol=1e-5)
