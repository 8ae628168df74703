"""A lake on a file system: private file, fsync, then a link or rename that either happened or did not."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from recsys.errors import StoreError


@dataclass(frozen=True)
class Folder:
    """The storage verbs on a local or shared folder."""

    root: str

    def create(self, path: str, blob: bytes) -> bool:
        """Create `path` with `blob` if nobody has; True for the one who did. Durable when it returns."""
        file = self.local(path)
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

    def replace(self, path: str, blob: bytes) -> None:
        """Put `blob` in place of what is at `path`, atomically."""
        file = self.local(path)
        os.replace(self._write_private(file, blob), file)
        _sync_folder(file.parent)

    def read(self, path: str) -> bytes:
        """Raises StoreError when there is nothing to read."""
        try:
            return self.local(path).read_bytes()
        except OSError as error:
            raise StoreError(f"{path} cannot be read from {self.root}", got=error.strerror) from error

    def read_all(self, paths: Sequence[str]) -> list[bytes]:
        return [self.read(path) for path in paths]

    def exists(self, path: str) -> bool:
        return self.local(path).exists()

    def paths(self, prefix: str) -> Iterator[str]:
        """Stored paths under a folder, in text order; private and temporary files excluded."""
        base = self.local(prefix)
        for file in sorted(base.rglob("*")) if base.is_dir() else ():
            if file.is_file() and not file.name.startswith(".tmp-"):
                yield str(file.relative_to(Path(self.root).resolve()))

    def age(self, path: str) -> float:
        """Seconds since `path` was stored."""
        return time.time() - self.local(path).stat().st_mtime

    def remove(self, path: str) -> None:
        """Delete; what is gone already is no error."""
        self.local(path).unlink(missing_ok=True)

    def local(self, path: str) -> Path:
        """The file behind a path; raises StoreError for one outside the folder."""
        base = Path(self.root).resolve()
        file = (base / path).resolve()
        if base != file and base not in file.parents:
            raise StoreError("A path leaves the lake", got=path, wanted=f"a path under {base}")
        return file

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


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
