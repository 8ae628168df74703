"""Frozen values as arrays: what goes in comes back, equal values have equal digests, nothing foreign is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from recsys import arrays
from recsys.contract import Dataset, Index
from recsys.errors import StoreError
from tests.worlds import dataset


@dataclass(frozen=True)
class Inner:
    texts: Any
    maybe: Index | None = None


@dataclass(frozen=True)
class Outer:
    inner: Inner
    rows: Any
    table: dict[str, Inner]
    several: tuple[Inner, ...]
    number: float = 0.5


def value() -> Outer:
    inner = Inner(np.array(["", "é", "a\0b"], dtype=object), Index.of(["b", "a"]))
    rows = sparse.csr_matrix(([3.0, 1.0], ([1, 0], [4, 2])), shape=(3, 5), dtype=np.float32)
    return Outer(inner, rows, {"k": Inner(np.array([], dtype=object))}, (inner, inner))


def test_round_trip() -> None:
    back = arrays.from_bytes(Outer, arrays.to_bytes(value()))
    assert back.inner.texts.tolist() == ["", "é", "a\0b"]
    assert back.inner.maybe is not None
    assert back.inner.maybe.ids.tolist() == ["a", "b"]
    assert back.table["k"].maybe is None
    assert back.several[1].texts.tolist() == back.inner.texts.tolist()
    np.testing.assert_array_equal(back.rows.toarray(), value().rows.toarray())
    assert arrays.digest(back) == arrays.digest(value())


def test_digest_sees_values_types_and_shapes_but_not_layout() -> None:
    a = np.arange(6, dtype=np.int32).reshape(2, 3)
    same = np.asfortranarray(a)
    digests = {arrays.digest(Inner(x)) for x in (a, a.astype(np.int64), a.reshape(3, 2), a + 1)}
    assert len(digests) == 4
    assert arrays.digest(Inner(same)) == arrays.digest(Inner(a))


def test_a_dataset_comes_back() -> None:
    data = dataset([[0, 1], [], [3, 4, 2]], 5, guests=[[1, 4]])
    assert arrays.from_bytes(Dataset, arrays.to_bytes(data)).digest == data.digest


@pytest.mark.parametrize("blob", [b"", b"\x80\x04pickle", b"\xff" * 40, arrays.to_bytes(value())[:-7]])
def test_foreign_bytes_are_refused(blob: bytes) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        arrays.from_bytes(Outer, blob)


def test_what_has_no_array_form_is_refused() -> None:
    with pytest.raises(TypeError, match="no array form"):
        arrays.pack(Inner(object()))
