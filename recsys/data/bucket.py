"""A lake in an S3-compatible store: `s3://bucket/prefix`, endpoint and credentials by the usual AWS_* variables.

Whoever creates a name first has it: a put with `If-None-Match: *` (of a large object: its completion), which the
store itself decides. Needs a store that honours it and lists what was written (Amazon since 2024, MinIO, Ceph, moto).
"""

from __future__ import annotations

import errno
import posixpath
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from recsys.errors import ConfigError, StoreError

T = TypeVar("T")
TRIES = 5  # of a put that met another one going on
CONNECT_SECONDS, READ_SECONDS = 2, 60  # an unreachable store is known within some seconds, a slow one is waited for
ENDPOINT_CURE = "Check AWS_ENDPOINT_URL and the network; nothing was changed."
CURES = {
    "NoCredentialsError": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role.",
    "EndpointConnectionError": ENDPOINT_CURE,
    "ConnectTimeoutError": ENDPOINT_CURE,
    "PermissionError": "The key may not do this: it needs GetObject, PutObject, DeleteObject and ListBucket.",
    "FileNotFoundError": "Create the bucket, or mend `lake` in recsys.toml.",
}


@dataclass(frozen=True)
class Bucket:
    """The storage verbs on an object store."""

    root: str

    def create(self, path: str, blob: bytes) -> bool:
        """Create `path` with `blob` if nobody has; True for the one who did."""
        if self.exists(path):
            return False
        for attempt in range(TRIES):
            try:
                self._asked(path, lambda fs, key: fs.pipe_file(key, blob, mode="create"))
                return True
            except FileExistsError:
                return False
            except BlockingIOError:  # another conditional put of this name is going on: its end decides
                time.sleep(0.1 * 2**attempt)
        return not self.exists(path) and self.create(path, blob)

    def replace(self, path: str, blob: bytes) -> None:
        """Put `blob` in place of what is at `path`; a reader sees one or the other."""
        self._asked(path, lambda fs, key: fs.pipe_file(key, blob))

    def read(self, path: str) -> bytes:
        """Raises StoreError when there is nothing to read."""
        blob: bytes = self._asked(path, lambda fs, key: fs.cat_file(key))
        return blob

    def read_all(self, paths: Sequence[str]) -> list[bytes]:
        """Many small objects at once: one after another each would cost its own way there and back."""
        keys = [self._key(path) for path in paths]
        found = self._asked("", lambda fs, key: fs.cat(keys)) if keys else {}
        return [found[key] for key in keys]

    def exists(self, path: str) -> bool:
        return bool(self._asked(path, lambda fs, key: fs.exists(key)))

    def paths(self, prefix: str) -> Iterator[str]:
        """Stored paths under a folder, in text order."""
        found = self._asked(prefix, lambda fs, key: fs.find(key))
        skip = len(self._base) + 1
        yield from sorted((key[skip:] for key in found if key != self._base), key=_as_folders)

    def age(self, path: str) -> float:
        """Seconds since `path` was stored, by the store's clock."""
        stored: datetime = self._asked(path, lambda fs, key: fs.info(key)["LastModified"])
        return (datetime.now(UTC) - stored).total_seconds()

    def remove(self, path: str) -> None:
        """Delete; what is gone already is no error."""
        if self.exists(path):
            self._asked(path, lambda fs, key: fs.rm_file(key))

    @property
    def _base(self) -> str:
        return self.root.removeprefix("s3://").rstrip("/")

    def _key(self, path: str) -> str:
        key = posixpath.normpath(posixpath.join(self._base, path))
        if key != self._base and not key.startswith(f"{self._base}/"):
            raise StoreError("A path leaves the lake", got=path, wanted=f"a path under {self.root}")
        return key

    def _asked(self, path: str, ask: Callable[[Any, str], T]) -> T:
        """What the store answers; FileExistsError and BlockingIOError pass, everything else becomes a sentence."""
        key, fs = self._key(path), _file_system()
        try:
            return ask(fs, key)
        except Exception as error:  # botocore's tree and s3fs's translations of it have no common root
            code = _code(error)
            if code == "PreconditionFailed":
                raise FileExistsError(path) from error
            if code == "ConditionalRequestConflict" or getattr(error, "errno", None) == errno.EBUSY:
                raise BlockingIOError(path) from error
            raise self._sentence(path, error, code) from error

    def _sentence(self, path: str, error: Exception, code: str) -> StoreError:
        if isinstance(error, FileNotFoundError) and code != "NoSuchBucket":
            return StoreError(f"{path} cannot be read from {self.root}", got="no such object")
        cure = next((CURES[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in CURES), ENDPOINT_CURE)
        said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return StoreError(f"The store {self.root} cannot be used", got=said, cure=cure)


def _file_system() -> Any:
    """fsspec keeps one per process and thread, so that a forked task gets its own."""
    try:
        import s3fs
    except ImportError:
        raise ConfigError(
            "A lake in a bucket needs s3fs", got="none", cure="pip install -c constraints.txt '.[s3]'"
        ) from None
    patience = {"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS}
    tries = {"retries": {"total_max_attempts": 2, "mode": "standard"}}
    fs = s3fs.S3FileSystem(config_kwargs={**patience, **tries}, use_listings_cache=False)
    fs.retries = 2
    return fs


def _code(error: Exception) -> str:
    """The store's own word for what went wrong, "" when it said none."""
    response = getattr(error, "response", None) or getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def _as_folders(path: str) -> list[str]:
    return path.split("/")  # the order of a folder walked by name
