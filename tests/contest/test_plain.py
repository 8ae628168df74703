import json

import numpy as np

from recsys.contest.plain import plain


def test_json_without_nan_whatever_it_comes_from() -> None:
    told = {"a": [float("nan"), (float("-inf"), 1.5)], "b": {"c": "x"}, 3: True, "n": None}
    assert plain(told) == {"a": [None, [None, 1.5]], "b": {"c": "x"}, "3": True, "n": None}
    arrays = {"f": np.array([[1.5, np.inf], [np.nan, 2.0]]), "i": np.int32(7), "s": np.float32("nan")}
    assert plain(arrays) == {"f": [[1.5, None], [None, 2.0]], "i": 7, "s": None}
    assert json.loads(json.dumps(plain(arrays), allow_nan=False)) == plain(arrays)
