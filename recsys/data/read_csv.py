"""CSV files as blocks of text cells: our counter finds the records, the csv module splits them, both must agree."""

from __future__ import annotations

import codecs
import csv
import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from recsys.data.blocks import BLOCK, Blocks, origin
from recsys.data.content import Content, open_bytes, text_lines
from recsys.data.records import FIELD_SIZE, Grammar, Lines, Record, records, split
from recsys.errors import ConfigError, DataError, EmptyError

if TYPE_CHECKING:
    import polars as pl

    from recsys.config import TableSource

RAW = 2_000  # characters of a refused row that are kept
OTHER_DELIMITERS = (";", "\t", "|", ",")


def open_csv(content: Content, source: TableSource) -> Blocks:
    """Blocks of a CSV file; raises DataError for an encoding that is not the declared one, or no header."""
    encoding = _encoding(content, source.encoding)
    stream = text_lines(content, encoding)
    lines = Lines(stream, content.path)
    try:
        header = _header(lines, source.delimiter)
    except BaseException:
        stream.close()
        raise
    blocks = Blocks(content.path, header, lambda columns: frames(columns))

    def frames(columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        found = records(lines, Grammar(source.delimiter, len(header)))
        used = lines.number - lines.blank  # the header
        with closing(stream):
            while block := list(itertools.islice(found, BLOCK)):
                blocks.rows_in += len(block)
                used += sum(r.text.count("\n") + 1 for r in block)
                yield _csv_frame(block, header, columns, source.delimiter, encoding)
        blocks.blank = lines.blank
        if "16" not in encoding and "32" not in encoding:
            _account(content, used, lines.blank)

    return blocks


def _account(content: Content, used: int, blank: int) -> None:
    """Every line counted on the bytes is in a record, the header or blank: the reader and the counter are strangers."""
    if used + blank != content.lines:
        raise DataError(
            f"{content.path}: lines were lost",
            got=f"{used:,} lines in rows and {blank:,} blank",
            wanted=f"{content.lines:,}",
            cure="Save the file with one kind of line end, or report this as a bug of ours.",
        )


def _encoding(content: Content, declared: str) -> str:
    try:
        name = codecs.lookup(declared).name
    except LookupError:
        raise ConfigError(
            "encoding", got=declared, wanted="a Python codec name", cure="Try utf-8, cp1252, latin-1 or utf-16."
        ) from None
    with open_bytes(content.path, content.packed) as stream:
        head = stream.read(4096)
    if not head:
        raise EmptyError(f"{content.path} is empty", got="0 bytes", wanted="a header and rows", cure="Export it again.")
    wide = head[:2] in (b"\xff\xfe", b"\xfe\xff") or head.count(0) > len(head) // 5
    if wide and not name.startswith(("utf-16", "utf-32")):
        raise DataError(
            f"{content.path} has another encoding",
            got="UTF-16",
            wanted=declared,
            cure='Set `encoding = "utf-16"` for this table in recsys.toml, or export it as UTF-8.',
        )
    return "utf-8-sig" if name == "utf-8" else name


def _header(lines: Lines, delimiter: str) -> list[str]:
    line = lines.take_filled()
    if line is None:
        raise EmptyError(f"{lines.path} is empty", got="blank lines only", wanted="a header and rows")
    if len(line) > FIELD_SIZE or _unclean(line) or not Grammar(delimiter, 1).is_whole(line):
        raise DataError(
            f"{lines.path}, line {lines.number}: the header cannot be read",
            got=ascii(line[:80]),
            wanted="column names of up to 64 KB, each quote closed, in the declared encoding",
        )
    names = split(line, delimiter)
    if len(names) == 1:
        for other in OTHER_DELIMITERS:
            if other != delimiter and len(line.split(other)) > 1:
                raise DataError(
                    f"{lines.path}, line {lines.number} is not separated by {delimiter!r}",
                    got=f"one column {line[:60]!r}",
                    wanted=f"cells separated by {delimiter!r}",
                    cure=f"Set `delimiter = {json.dumps(other)}` for this table in recsys.toml.",
                )
    return names


def _csv_frame(
    block: list[Record], header: list[str], wanted: Sequence[str], delimiter: str, encoding: str
) -> pl.DataFrame:
    import polars as pl

    block = _flag_unclean(block)
    good = [text for _, text, reason in block if not reason]
    cells = list(csv.reader(good, delimiter=delimiter, strict=True))
    if len(cells) != len(good):  # the counter and the reader are two programs: they must agree
        raise DataError("A block of rows was read twice with different counts", got=len(cells), wanted=len(good))
    raw = good
    if len(good) < len(block):
        rows, blank = iter(cells), [""] * len(header)
        cells = [blank if reason else next(rows) for _, _, reason in block]
        raw = [_shown(text, encoding) if reason else text for _, text, reason in block]
    columns = list(zip(*cells, strict=True))
    return pl.DataFrame(
        {name: pl.Series(columns[header.index(name)], dtype=pl.String) for name in wanted}
        | origin([r.line for r in block], raw, [r.reason or None for r in block])
    )


def _flag_unclean(block: list[Record]) -> list[Record]:
    """Give a reason to records with NUL or with bytes that are no text; a clean block is seen at one glance."""
    if not _unclean("\n".join([r.text for r in block])):
        return block
    return [r if r.reason else r._replace(reason=_unclean(r.text)) for r in block]


def _unclean(text: str) -> str:
    if "\0" in text:
        return "control_char"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "encoding"
    return ""


def _shown(text: str, encoding: str) -> str:
    """A refused row as text that can be stored: undecodable bytes as \\xNN, the rest as it was, cut to 2,000."""
    return text[:RAW].encode(encoding, "surrogateescape").decode(encoding, "backslashreplace")
