"""The only door to storage: write once, read what was written, claim a name first.

Four verbs carry the project, so that a folder (folder.py) or an object store (bucket.py) can stand behind them:
`put_new` (create, never overwrite), `claim` (create or lose: the compare-and-set), `point` (replace a small
pointer atomically) and `read` (verified by digest).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from recsys import arrays
from recsys.data.bucket import Bucket
from recsys.data.folder import Folder
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


class Storage(Protocol):
    """What a lake asks of the place it lies in."""

    def create(self, path: str, blob: bytes) -> bool: ...
    def replace(self, path: str, blob: bytes) -> None: ...
    def read(self, path: str) -> bytes: ...
    def read_all(self, paths: Sequence[str]) -> list[bytes]: ...
    def exists(self, path: str) -> bool: ...
    def paths(self, prefix: str) -> Iterator[str]: ...
    def age(self, path: str) -> float: ...
    def remove(self, path: str) -> None: ...


@dataclass(frozen=True)
class Lake:
    """Immutable objects plus a few pointers, under a folder or a bucket's prefix."""

    root: str

    @property
    def _store(self) -> Storage:
        return open_storage(self.root)

    def put_new(self, path: str, blob: bytes, rows: int = 0) -> Ref:
        """Store `blob` under `path`. If the path is taken, what is there stays and its Ref is returned."""
        if not self.claim(path, blob):
            blob = self._store.read(path)
        return Ref(path, hashlib.sha256(blob).hexdigest(), rows)

    def claim(self, path: str, blob: bytes) -> bool:
        """Create `path` with `blob` if nobody has; True for the one who did. Durable when it returns."""
        return self._store.create(path, blob)

    def point(self, path: str, blob: bytes) -> None:
        """Replace the pointer `path` atomically."""
        self._store.replace(path, blob)

    def read(self, ref: Ref | str) -> bytes:
        """Bytes of an object; of a Ref, only if they still have its digest."""
        path = ref if isinstance(ref, str) else ref.path
        blob = self._store.read(path)
        if isinstance(ref, Ref) and hashlib.sha256(blob).hexdigest() != ref.sha256:
            raise StoreError(
                f"{path} is damaged",
                got="other bytes than were written",
                wanted=f"sha256 {ref.sha256[:12]}...",
                cure="Delete it and run the step that makes it again.",
            )
        return blob

    def exists(self, path: str) -> bool:
        return self._store.exists(path)

    def paths(self, prefix: str) -> Iterator[str]:
        """Stored paths under a folder, in text order; private and temporary files excluded."""
        return self._store.paths(prefix)

    def age(self, path: str) -> float:
        """Seconds since `path` was stored."""
        return self._store.age(path)

    def remove(self, path: str) -> None:
        """Delete an object that nothing refers to any more; one that is gone already is no error."""
        self._store.remove(path)

    def put_json(self, path: str, value: Any) -> Ref:
        return self.put_new(path, _json(value))

    def read_json(self, ref: Ref | str) -> Any:
        return json.loads(self.read(ref))

    def once(self, path: str, make: Callable[[], Any]) -> Any:
        """The JSON known under `path`, else made; of two that race the first stays."""
        known = self.known(path)
        if known is not None:
            return known
        stale = self.exists(path)
        made = make()
        if stale:
            self.point(path, _json(made))
        else:
            self.put_json(path, made)
        return self.read_json(path)

    def known(self, path: str) -> Any | None:
        """The JSON at `path`; None where there is none, or something it refers to was tidied away."""
        if not self.exists(path):
            return None
        value = self.read_json(path)
        return value if all(self.exists(needed) for needed in references(value)) else None

    def read_jsons(self, paths: Iterable[str]) -> list[Any]:
        """The JSON of many paths, in their order."""
        return [json.loads(blob) for blob in self._store.read_all(list(paths))]

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

    def scan_frames(self, refs: Sequence[Ref]) -> pl.LazyFrame:
        """Tables as one lazy frame; each is checked against its digest first. Raises StoreError for a damaged one."""
        import polars as pl

        store = self._store
        if isinstance(store, Folder):
            for ref in refs:
                self.read(ref)
            return pl.scan_parquet([store.local(ref.path) for ref in refs], hive_partitioning=False, glob=False)
        return pl.scan_parquet([self.read(ref) for ref in refs], hive_partitioning=False, glob=False)

    def places(self, refs: Sequence[Ref]) -> list[str]:
        """Where tables lie, for an engine that reads them itself; each is checked against its digest first."""
        store = self._store
        for ref in refs:
            self.read(ref)
        return [str(store.local(r.path)) if isinstance(store, Folder) else f"{self.root}/{r.path}" for r in refs]


def open_storage(root: str) -> Storage:
    """The storage behind a lake's root: a folder or `s3://bucket/prefix`."""
    return Bucket(root) if root.startswith("s3://") else Folder(root.removeprefix("file://"))


def ref_from(value: dict[str, Any]) -> Ref:
    """A Ref from its JSON."""
    return Ref(value["path"], value["sha256"], int(value.get("rows", 0)))


def references(value: Any) -> Iterator[str]:
    """Path of every Ref inside a JSON value."""
    if isinstance(value, dict):
        if isinstance(value.get("path"), str) and "sha256" in value:
            yield value["path"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, indent=1, allow_nan=False).encode()
