from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from recsys.contract import Features, Index
from recsys.errors import FitError
from recsys.models.torch import fields
from recsys.models.torch.fields import beside, categories, constant, feature_fields, identities


def features(rows: list[dict[str, float]]) -> Features:
    columns = Index.of({name for row in rows for name in row})
    dense = np.array([[row.get(str(c), 0) for c in columns.ids] for row in rows], dtype=np.float32)
    return Features(sparse.csr_matrix(dense), columns)


ROWS = features([{"colour:red": 1, "size": 0.5}, {"colour:blue": 1, "word:a": 1, "word:b": 1}, {"size": -1}])


def test_a_field_without_a_value_reads_its_unknown_column() -> None:
    side = feature_fields(ROWS, "product", "two_tower")
    assert side.names.tolist() == [
        "product.colour:blue", "product.colour:red", "product.size", "product.word:a", "product.word:b",
        "product.colour?", "product.word?",
    ]  # fmt: skip
    expected = [[0, 1, 0.5, 0, 0, 0, 1], [1, 0, 0, 1, 1, 0, 0], [0, 0, -1, 0, 0, 1, 1]]
    np.testing.assert_array_equal(side.matrix.toarray(), expected)
    assert side.field.tolist() == [0, 0, -1, 1, 1, 0, 1]
    assert side.unknown.tolist() == [False] * 5 + [True] * 2


def test_without_bags_a_field_of_several_values_has_no_unknown() -> None:
    side = feature_fields(ROWS, "customer", "two_tower", bags=False)
    assert side.names.tolist()[5:] == ["customer.colour?"]
    assert side.field.tolist() == [0, 0, -1, -1, -1, 0]


def test_masking_swaps_a_whole_field_for_its_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    side = feature_fields(ROWS, "product", "two_tower")
    monkeypatch.setattr(fields, "MASKED", 1.0)
    all_hidden = side.masked(np.array([1, 0], np.int32), np.random.default_rng(0)).toarray()
    np.testing.assert_array_equal(all_hidden, [[0, 0, 0, 0, 0, 1, 1], [0, 0, 0.5, 0, 0, 1, 1]])
    monkeypatch.setattr(fields, "MASKED", 0.5)
    rng, seen = np.random.default_rng(0), set()
    for _ in range(60):
        row = side.masked(np.array([1], np.int32), rng).toarray()[0]
        assert row[0] + row[5] == 1
        assert row[3] == row[4] == 1 - row[6]
        seen.add(tuple(row))
    assert len(seen) == 4, "fields are masked independently"
    assert side.matrix.toarray()[1].tolist() == [1, 0, 0, 1, 1, 0, 0], "the original is untouched"


def test_sides_stand_next_to_each_other_with_their_fields_apart() -> None:
    index = Index.of(["a", "b", "c"])
    known = np.array([True, False, True])
    parts = {
        "constant": constant(3),
        "who": identities(index, known, "customer"),
        "where": categories(np.array([1, -1, 0], np.int32), Index.of(["north", "south"]), "segment"),
        "what": feature_fields(ROWS, "customer", "two_tower"),
    }
    side = beside(parts, 3)
    assert side.parts["who"] == slice(1, 4)
    assert side.fields.field.tolist() == [-1, 0, 0, 0, 1, 1, 1, 2, 2, -1, 3, 3, 2, 3]
    np.testing.assert_array_equal(
        side.fields.matrix.toarray()[:, :7],
        [[1, 1, 0, 0, 0, 1, 0], [1, 0, 0, 1, 0, 0, 1], [1, 0, 1, 0, 1, 0, 0]],
    )
    assert side.fields.names[1:7].tolist() == [
        "customer:a", "customer:c", "customer?", "segment:north", "segment:south", "segment?",
    ]  # fmt: skip


def test_nan_names_its_column() -> None:
    bad = features([{"size": 1.0}, {"size": float("nan")}])
    with pytest.raises(FitError, match="'size'"):
        feature_fields(bad, "product", "two_tower")
