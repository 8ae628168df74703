"""Things in accepted rows that are allowed but odd: counted, never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from recsys.data.header import Header

MOJIBAKE = r"Ã[\u{80}-\u{BF}]|Â[\u{A0}-\u{BF}]|â€|ï»¿"  # UTF-8 read as CP1252 and written again
FLOAT_LIKE = r"^\d+\.\d*$|^\d+(\.\d+)?[eE][+-]?\d+$|^\d{17,}$"


def count_oddities(text: pl.DataFrame, header: Header) -> dict[str, int]:
    """Counts over text columns: mojibake, float-like ids, trimmed ids, ids equal but for their Unicode form."""
    import polars as pl

    ids = [f.name for f in header.fields if f.kind == "id"]
    words = [f.name for f in header.fields if f.kind in ("id", "text")]
    none = pl.lit(False)
    sums = text.select(
        mojibake=pl.any_horizontal(none, *[pl.col(c).str.contains(MOJIBAKE) for c in words]).sum(),
        float_like_id=pl.any_horizontal(none, *[pl.col(c).str.contains(FLOAT_LIKE) for c in ids]).sum(),
        trimmed_id=pl.any_horizontal(none, *[pl.col(c) != pl.col(c).str.strip_chars() for c in ids]).sum(),
    ).row(0, named=True)
    return {name: int(n or 0) for name, n in sums.items()} | {"nfc_collision": _collisions(text, ids)}


def _collisions(text: pl.DataFrame, ids: list[str]) -> int:
    """Ids that differ only in their Unicode normal form."""
    import polars as pl

    found = 0
    for name in ids:
        special = text[name].unique().to_frame().filter(pl.col(name).str.contains(r"[^\x00-\x7F]"))[name]
        found += special.len() - special.str.normalize("NFC").n_unique()
    return found
