"""Text lines to records: where a record begins and ends (RFC 4180), counted before any cell is interpreted.

Every non-blank line of the file ends up in exactly one record. A quote that never closes costs the line it stands on,
not the lines after it: reading resumes at the next line.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import TextIOBase
from typing import NamedTuple

from recsys.errors import DataError

FIELD_SIZE = 64 << 10
READ_AHEAD = 1 << 20
QUOTED_LINES = 1000  # a quoted cell with more lines is an unclosed quote


class Record(NamedTuple):
    """One row as it stood in the file; `reason` is empty when its cells can be told apart."""

    line: int  # 1 = first line of the file
    text: str
    reason: str = ""


@dataclass
class Lines:
    """Physical lines, numbered from 1; lines can be handed back. Blank ones are passed over and counted."""

    stream: TextIOBase
    path: str
    number: int = 0  # of the line taken last
    blank: int = 0
    waiting: deque[str] = field(default_factory=deque)

    def take(self) -> str | None:
        """The next line without its end, None after the last; raises DataError for text that cannot be decoded."""
        if not self.waiting:
            self._refill()
            if not self.waiting:
                return None
        self.number += 1
        return self.waiting.popleft()

    def take_filled(self) -> str | None:
        """The next line that is not blank."""
        while (line := self.take()) is not None:
            if line and not line.isspace():
                return line
            self.blank += 1
        return None

    def give_back(self, lines: list[str]) -> None:
        self.number -= len(lines)
        self.waiting.extendleft(reversed(lines))

    def _refill(self) -> None:
        try:
            self.waiting.extend([line.rstrip("\n") for line in self.stream.readlines(READ_AHEAD)])
        except UnicodeError as error:
            raise DataError(
                f"{self.path} has another encoding", got=error, cure="Set `encoding` for this table in recsys.toml."
            ) from None


@dataclass(frozen=True)
class Grammar:
    """What a line of quoted and bare cells may look like, for one delimiter."""

    delimiter: str
    width: int  # cells per record

    def __post_init__(self) -> None:
        d = re.escape(self.delimiter)
        inside = '(?:[^"]++|"")*+'
        cell = f'(?:"{inside}"|[^"{d}][^{d}]*+|)'
        rest = f"(?:{d}{cell})*+"
        patterns = {
            "whole": f"{cell}{rest}",
            "opens": f'(?:(?>{cell}){d})*+"{inside}',
            "stays": inside,
            "closes": f'{inside}"{rest}',
            "reopens": f'{inside}"(?:{d}(?>{cell})(?={d}))*+{d}"{inside}',
        }
        for name, pattern in patterns.items():
            object.__setattr__(self, "_" + name, re.compile(pattern, re.DOTALL).fullmatch)
        object.__setattr__(self, "_cell", re.compile(f'(?:^|{d})("{inside}"|[^{d}]*+)').findall)

    def is_whole(self, text: str) -> bool:
        return self._whole(text) is not None  # type: ignore[attr-defined]

    def opens(self, text: str) -> bool:
        """A quoted cell is still open at the end of a line that began outside quotes."""
        return self._opens(text) is not None  # type: ignore[attr-defined]

    def follow(self, text: str) -> str:
        """What a line that began inside quotes does: stays, closes, reopens or breaks."""
        for name in ("stays", "closes", "reopens"):
            if getattr(self, "_" + name)(text):
                return name
        return "breaks"

    def count(self, text: str) -> int:
        """Cells of a whole record."""
        return text.count(self.delimiter) + 1 if '"' not in text else len(self.cells(text))

    def cells(self, text: str) -> list[str]:
        """Cells of a whole record as they are written, quotes and all, of any length."""
        return self._cell(text)  # type: ignore[attr-defined, no-any-return]


def split(text: str, delimiter: str) -> list[str]:
    """Cells of one whole record of reasonable size."""
    return next(csv.reader([text], delimiter=delimiter, strict=True), [])


def records(lines: Lines, grammar: Grammar) -> Iterator[Record]:
    """Every record of the file, in order."""
    delimiters, delimiter = grammar.width - 1, grammar.delimiter
    while (line := lines.take_filled()) is not None:
        number = lines.number
        if '"' in line:
            yield _quoted(number, line, lines, grammar)
        elif line.count(delimiter) != delimiters:
            yield Record(number, line, "columns")
        elif len(line) > FIELD_SIZE and max(map(len, line.split(delimiter))) > FIELD_SIZE:
            yield Record(number, line, "field_size")
        else:
            yield Record(number, line)


def _quoted(number: int, line: str, lines: Lines, grammar: Grammar) -> Record:
    if grammar.is_whole(line):
        return _sized(number, line, grammar)
    if not grammar.opens(line):
        return Record(number, line, "quote")
    taken, closed = _until_closed(line, lines, grammar)
    text = "\n".join([line, *taken])
    if closed and not _swallows(line, taken, grammar):
        return _sized(number, text, grammar)
    lines.give_back(taken)
    return Record(number, line, "unclosed_quote")


def _sized(number: int, text: str, grammar: Grammar) -> Record:
    if len(text) > FIELD_SIZE and any(len(cell) > FIELD_SIZE for cell in grammar.cells(text)):
        return Record(number, text, "field_size")
    return Record(number, text, "" if grammar.count(text) == grammar.width else "columns")


def _until_closed(line: str, lines: Lines, grammar: Grammar) -> tuple[list[str], bool]:
    """Lines after `line` up to the one that closes its open quote, and whether one does."""
    taken: list[str] = []
    size = len(line)
    while size <= FIELD_SIZE and len(taken) < QUOTED_LINES and (after := lines.take()) is not None:
        taken.append(after)
        size += len(after)
        step = grammar.follow(after)
        if step == "closes":
            return taken, True
        if step == "breaks":
            break
    return taken, False


def _swallows(first: str, taken: list[str], grammar: Grammar) -> bool:
    """Whether a record over several lines ate whole records: then its opening quote was a slip of the pen.

    The last line of an honest record has fewer delimiters than a record, unless its open cell is the first one.
    """
    suspects = taken if first.count(grammar.delimiter) >= grammar.width - 1 else taken[:-1]
    if grammar.count("\n".join([first, *taken])) != grammar.width:
        suspects = taken
    return grammar.width > 1 and any(grammar.is_whole(t) and grammar.count(t) == grammar.width for t in suspects)
