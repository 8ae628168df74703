"""A log of impossible rows is refused with the row, the value and the cure."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.errors import DataError, EmptyError
from recsys.evaluation.exposures import concatenate, of_arrays


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"propensity": [0.5, 0.0, 0.5]},
            r"row 2: column propensity \(1 such rows\); got 0.0.*probability in \(0, 1\]",
        ),
        ({"propensity": [0.5, 0.5, 1.5]}, "row 3: column propensity.*got 1.5"),
        ({"propensity": [np.nan, 0.5, 0.5]}, "row 1: column propensity.*got nan.*moment of the draw"),
        ({"outcome": [0.0, -3.0, 1.0]}, "row 2: column outcome.*got -3.0.*returns"),
        ({"outcome": [0.0, np.inf, 1.0]}, "column outcome"),
        ({"arm": [0, 1, 7]}, "row 3: column arm.*known arm"),
        ({"position": [1, 0, 2]}, "row 2: column position"),
        ({"context": [[1.0], [np.nan], [0.0]]}, "column context"),
        ({"outcome": [0.0, 1.0]}, "differ in length"),
    ],
)
def test_impossible_rows(change: dict[str, object], words: str) -> None:
    columns = {"arm": [0, 1, 1], "propensity": [0.5, 0.5, 0.5], "outcome": [0.0, 1.0, 1.0]} | change
    with pytest.raises(DataError, match=words):
        of_arrays(**columns, arms=["a", "b"])


def test_an_empty_log() -> None:
    with pytest.raises(EmptyError):
        of_arrays([], [], [])
    with pytest.raises(EmptyError):
        concatenate([])


def test_take_and_concatenate_are_inverse() -> None:
    log = of_arrays(
        [0, 1, 2, 1], [0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1], context=np.arange(8).reshape(4, 2), slate=[5, 5, 6, 6]
    )
    back = concatenate([log.take(slice(0, 1)), log.take(np.array([1, 2, 3]))])
    assert back.propensity.tolist() == log.propensity.tolist()
    assert back.context is not None
    assert back.context.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert back.slate.tolist() == [5, 5, 6, 6]
    assert list(back.arms.ids) == ["0", "1", "2"]
