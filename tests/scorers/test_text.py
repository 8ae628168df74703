from __future__ import annotations

from zlib import crc32

import numpy as np

from recsys.scorers.text import BUCKETS, TextColumns

COLUMNS = TextColumns.fit(["red cup", "red mug", "Red kettle"])


def test_rows_are_of_length_one_and_case_does_not_count() -> None:
    x = COLUMNS.rows(["red cup", "RED   CUP!", "cup"])
    np.testing.assert_allclose(np.sqrt(x.multiply(x).sum(axis=1)), 1, rtol=1e-6)
    assert (x[0] != x[1]).nnz == 0
    assert x.shape == (3, COLUMNS.size)


def test_a_rare_word_weighs_more_than_one_in_every_title() -> None:
    rarity = {round(float(r), 4) for r in COLUMNS.rarity}
    assert rarity == {1.0, round(float(np.log(2) + 1), 4)}  # in all three titles, in one of three
    asked, titles = COLUMNS.rows(["red kettle"]), COLUMNS.rows(["red cup", "red mug", "Red kettle"])
    assert np.argmax((asked @ titles.T).toarray()) == 2


def test_unknown_pieces_say_nothing_and_known_ones_still_do() -> None:
    x = COLUMNS.rows(["", "zzzz", "kettles"])
    assert np.diff(x.indptr).tolist()[:2] == [0, 0]
    assert x[2].nnz > 0


def test_buckets_are_the_same_in_every_process() -> None:
    """crc32 of `=cup`, `_cu`, `cup`, `up_`, `_cup`, `cup_`: a changed hash would make stored scorers deaf."""
    own = TextColumns.fit(["cup"])
    assert np.flatnonzero(own.place >= 0).tolist() == sorted(
        crc32(t) % BUCKETS for t in (b"=cup", b"_cu", b"cup", b"up_", b"_cup", b"cup_")
    )
