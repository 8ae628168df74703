"""The only door to storage: write once, read what was written, claim a name first.

Four verbs are all the project uses, so that a folder today and an object store tomorrow can stand behind them:
`put_new` (create, never overwrite), `claim` (create or lose: the compare-and-set), `point` (replace a small
pointer atomically) and `read` (verified by digest).
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from recsys import arrays
from recsys.errors import StoreError

if TYPE_CHECKING:
    import polars as pl

V = TypeVar("V")


@dataclass(frozen=True)
class Ref:
    """A stored object: path inside the lake, sha256 of its bytes, rows it holds (0 when it has none)."""

    path: str
    sha256: str
    rows: int = 0

    def json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Lake:
    """A folder (or later a bucket) of immutable objects plus a few pointers."""

    root: str

    def _file(self, path: str) -> Path:
        base = Path(self.root).resolve()
        file = (base / path).resolve()
        if base != file and base not in file.parents:
            raise StoreError("A path leaves the lake", got=path, wanted=f"a path under {base}")
        return file

    def put_new(self, path: str, blob: bytes, rows: int = 0) -> Ref:
        """Store `blob` under `path`. If the path is taken, what is there stays and its Ref is returned."""
        if not self.claim(path, blob):
            blob = self._file(path).read_bytes()
        return Ref(path, hashlib.sha256(blob).hexdigest(), rows)

    def claim(self, path: str, blob: bytes) -> bool:
        """Create `path` with `blob` if nobody has; True for the one who did. Durable when it returns."""
        file = self._file(path)
        if file.exists():
            return False
        private = self._write_private(file, blob)
        try:
            os.link(private, file)  # fails if the name exists: atomic on POSIX
        except FileExistsError:
            return False
        finally:
            private.unlink(missing_ok=True)
        _sync_folder(file.parent)
        return True

    def point(self, path: str, blob: bytes) -> None:
        """Replace the pointer `path` atomically."""
        file = self._file(path)
        os.replace(self._write_private(file, blob), file)
        _sync_folder(file.parent)

    def read(self, ref: Ref | str) -> bytes:
        """Bytes of an object; of a Ref, only if they still have its digest."""
        path = ref if isinstance(ref, str) else ref.path
        try:
            blob = self._file(path).read_bytes()
        except OSError as error:
            raise StoreError(f"{path} cannot be read from {self.root}", got=error.strerror) from error
        if isinstance(ref, Ref) and hashlib.sha256(blob).hexdigest() != ref.sha256:
            raise StoreError(
                f"{path} is damaged",
                got="other bytes than were written",
                wanted=f"sha256 {ref.sha256[:12]}...",
                cure="Delete it and run the step that makes it again.",
            )
        return blob

    def exists(self, path: str) -> bool:
        return self._file(path).exists()

    def paths(self, prefix: str) -> Iterator[str]:
        """Stored paths under a folder, in text order; private and temporary files excluded."""
        base = self._file(prefix)
        for file in sorted(base.rglob("*")) if base.is_dir() else ():
            if file.is_file() and not file.name.startswith(".tmp-"):
                yield str(file.relative_to(Path(self.root).resolve()))

    def age(self, path: str) -> float:
        """Seconds since `path` was stored."""
        return time.time() - self._file(path).stat().st_mtime

    def remove(self, path: str) -> None:
        """Delete an object that nothing refers to any more; one that is gone already is no error."""
        self._file(path).unlink(missing_ok=True)

    def put_json(self, path: str, value: Any) -> Ref:
        return self.put_new(path, json.dumps(value, sort_keys=True, indent=1, allow_nan=False).encode())

    def read_json(self, ref: Ref | str) -> Any:
        return json.loads(self.read(ref))

    def put_value(self, path: str, value: Any) -> Ref:
        """Store a frozen value as arrays."""
        return self.put_new(path, arrays.to_bytes(value))

    def read_value(self, kind: type[V], ref: Ref | str) -> V:
        return arrays.from_bytes(kind, self.read(ref))

    def put_frame(self, path: str, frame: pl.DataFrame) -> Ref:
        """Store a table as Parquet."""
        buffer = BytesIO()
        frame.write_parquet(buffer, compression="zstd")
        return self.put_new(path, buffer.getvalue(), rows=frame.height)

    def read_frame(self, ref: Ref | str) -> pl.DataFrame:
        import polars as pl

        return pl.read_parquet(BytesIO(self.read(ref)))

    def _write_private(self, file: Path, blob: bytes) -> Path:
        private = file.parent / f".tmp-{uuid.uuid4().hex}"
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with private.open("xb") as stream:
                stream.write(blob)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            with suppress(OSError):
                private.unlink(missing_ok=True)
            raise StoreError(
                f"{file} cannot be written ({len(blob):,} bytes)",
                got=error.strerror,
                cure="Free space or fix the permissions; what was published before is untouched.",
            ) from error
        return private


def ref_from(value: dict[str, Any]) -> Ref:
    """A Ref from its JSON."""
    return Ref(value["path"], value["sha256"], int(value.get("rows", 0)))


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
