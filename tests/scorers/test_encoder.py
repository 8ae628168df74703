from __future__ import annotations

import numpy as np
import pytest

from recsys import arrays
from recsys.scorers.encoder import Encoder, tokenise
from recsys.scorers.store import load_scorer, scorer_bytes

ROWS = [
    {"colour": "red", "size": 1.0, "title": "Red mug"},
    {"colour": "blue", "size": 3.0, "title": "blue mug"},
    {"colour": None, "size": float("nan"), "title": "white shirt"},
]
ENCODER = Encoder.fit(ROWS, {"colour": "category", "size": "number", "title": "text"})


def cell(features: object, row: int, column: str) -> float:
    return float(features.matrix[row, features.columns.row(column)])  # type: ignore[attr-defined]


def test_categories_numbers_and_unknown_fields() -> None:
    features = ENCODER.encode(ROWS)
    assert features.matrix.shape == (3, len(ENCODER.columns))
    assert cell(features, 0, "colour:red") == 1
    assert cell(features, 0, "size") == -1
    assert cell(features, 1, "size") == 1
    only_title = features.columns.ids[features.matrix[2].indices]
    assert all(str(column).startswith("title:") for column in only_title)


def test_what_was_never_met_goes_to_the_unknown_bucket() -> None:
    features = ENCODER.encode([{"colour": "green", "size": 99, "other": 1, "title": "zzz"}])
    assert features.matrix.nnz == 2
    assert cell(features, 0, "colour:?") == 1
    assert cell(features, 0, "size") == 3  # clipped


def test_texts_meet_in_words_and_pieces() -> None:
    assert tokenise("Mug!") == ["mug", "#_mu", "#mug", "#ug_"]
    features = ENCODER.encode([{"title": "mug"}, {"title": "MUGS"}, {"title": "mug mug"}])
    assert cell(features, 0, "title:mug") > 0
    assert cell(features, 1, "title:mug") == 0
    assert cell(features, 1, "title:#mug") > 0
    lengths = np.sqrt(features.matrix.multiply(features.matrix).sum(axis=1))
    np.testing.assert_allclose(lengths, 1, rtol=1e-6)


def test_a_rare_token_weighs_more() -> None:
    rows = [{"t": "mug red"}, {"t": "mug red"}, {"t": "mug big"}, {"t": "mug big"}, {"t": "mug"}]
    features = Encoder.fit(rows, {"t": "text"}).encode([{"t": "mug red"}])
    assert cell(features, 0, "t:red") > cell(features, 0, "t:mug")


def test_it_is_stored_like_a_scorer() -> None:
    again = load_scorer(scorer_bytes(ENCODER))
    assert arrays.digest(again) == arrays.digest(ENCODER)
    np.testing.assert_array_equal(again.encode(ROWS).matrix.toarray(), ENCODER.encode(ROWS).matrix.toarray())


def test_a_number_that_is_none_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="could not convert"):
        ENCODER.encode([{"size": "large"}])
