"""The bytes of a file: what it is, its digest, and whether they are sound; read before anything is interpreted."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from recsys.errors import DataError

CHUNK = 1 << 20
LINE_SIZE = 16 << 20
BOMB_RATIO = 100  # text tables shrink 5 to 20 times
BOMB_FREE = 64 << 20  # small files may shrink as much as they like
LARGEST = 16 << 30

Form = Literal["csv", "parquet"]


@dataclass(frozen=True)
class Content:
    """A file as found: sha256 of what it holds (unpacked), its form, and the stamp it had when it was read."""

    path: str
    sha256: str
    form: Form
    packed: bool
    size: int  # bytes, unpacked
    lines: int  # line ends (LF, CRLF, CR) counted on the bytes, plus a last line without one
    stamp: tuple[int, int]  # bytes on disk, mtime in ns

    @property
    def digest(self) -> str:
        """The short name of this content."""
        return self.sha256[:16]


@dataclass
class Tally:
    """What is counted while bytes pass by."""

    sha: Any = field(default_factory=hashlib.sha256)
    size: int = 0
    ends: int = 0  # LF, CRLF and CR
    last: bytes = b""
    open_line: int = 0  # bytes since the last line end

    def add(self, chunk: bytes) -> None:
        self.sha.update(chunk)
        self.size += len(chunk)
        split_pair = self.last == b"\r" and chunk[:1] == b"\n"
        self.ends += chunk.count(b"\n") + chunk.count(b"\r") - chunk.count(b"\r\n") - split_pair
        self.last = chunk[-1:]
        end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
        self.open_line = self.open_line + len(chunk) if end < 0 else len(chunk) - 1 - end

    @property
    def lines(self) -> int:
        return self.ends + (self.last not in (b"", b"\n", b"\r"))


def inspect(path: str) -> Content:
    """Look at a whole file once, in chunks; raises DataError when it is missing, damaged or a decompression bomb."""
    stamp = stamp_of(path)
    with Path(path).open("rb") as stream:
        form, packed = _form(path, stream.read(8))
    seen = Tally()
    with open_bytes(path, packed) as stream:
        while chunk := _read(stream, path):
            seen.add(chunk)
            _refuse_oversize(seen, path, form, stamp[0] if packed else None)
    return Content(path, seen.sha.hexdigest(), form, packed, seen.size, seen.lines, stamp)


def _refuse_oversize(seen: Tally, path: str, form: Form, packed: int | None) -> None:
    if form == "csv" and seen.open_line > LINE_SIZE:
        raise DataError(
            f"{path}, line {seen.ends + 1} has no end (line_size)",
            got=f"more than {LINE_SIZE:,} bytes",
            wanted="rows separated by line ends",
            cure="Is this a CSV file? Export it again.",
        )
    if seen.size > LARGEST or (packed is not None and seen.size > max(BOMB_FREE, BOMB_RATIO * packed)):
        raise DataError(
            f"{path} unpacks to too much",
            got=f"{seen.size:,} bytes" + (f" from {packed:,}" if packed else ""),
            wanted=f"at most {BOMB_RATIO} times the packed size and {LARGEST:,} bytes",
            cure="Look at the file; if it is sound, split it by day.",
        )


def confirm(content: Content) -> None:
    """Raise DataError when the file is no longer the one that was inspected: stamp first, then every byte."""
    now, seen = stamp_of(content.path), Tally()
    if now == content.stamp:
        with open_bytes(content.path, content.packed) as stream:
            while chunk := _read(stream, content.path):
                seen.add(chunk)
    if seen.sha.hexdigest() != content.sha256:
        raise DataError(
            f"{content.path} changed while it was read",
            got=f"{now[0]:,} bytes now",
            wanted=f"the {content.stamp[0]:,} bytes it had, unchanged",
            cure="Write to another name and rename when complete, then run again.",
        )


def open_bytes(path: str, packed: bool) -> BinaryIO:
    """The unpacked bytes of a file."""
    return cast(BinaryIO, gzip.open(path, "rb")) if packed else cast(BinaryIO, Path(path).open("rb"))


def stamp_of(path: str) -> tuple[int, int]:
    """(bytes on disk, modification time in ns)."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read", got=error.strerror, wanted="a file", cure="Check `path` in recsys.toml."
        ) from None
    return status.st_size, status.st_mtime_ns


def _read(stream: BinaryIO, path: str) -> bytes:
    try:
        return stream.read(CHUNK)
    except (EOFError, zlib.error, gzip.BadGzipFile, OSError) as error:
        raise DataError(
            f"{path} is corrupt", got=error, wanted="a complete gzip file", cure="Fetch or export it again."
        ) from None


def _form(path: str, head: bytes) -> tuple[Form, bool]:
    """What the first bytes say; a name that says otherwise is an error."""
    name = path.lower()
    packed, parquet = head[:2] == b"\x1f\x8b", head[:4] == b"PAR1"
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        _refuse(path, "a zip archive (or Excel workbook)", "CSV, gzipped CSV or Parquet", "Unpack or export as CSV.")
    if name.endswith((".gz", ".gzip")) and not packed and head:
        _refuse(path, f"first bytes {head[:4]!r}", "gzip's magic number", "Fetch it again or drop .gz from its name.")
    if name.endswith(".parquet") and not parquet and head:
        _refuse(path, f"first bytes {head[:4]!r}", "Parquet's magic number", "Fetch or export it again.")
    return ("parquet" if parquet else "csv"), packed


def _refuse(path: str, got: str, wanted: str, cure: str) -> None:
    raise DataError(f"{path} is corrupt", got=got, wanted=wanted, cure=cure)


def text_lines(content: Content, encoding: str) -> io.TextIOWrapper:
    """The file as text lines ended by CR, LF or CRLF; bytes that are no text become lone surrogates."""
    stream = open_bytes(content.path, content.packed)
    return io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline=None)
