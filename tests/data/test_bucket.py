"""A lake in a bucket: the store decides who was first, and what is wrong with it is one sentence within seconds."""

from __future__ import annotations

import time

import pytest

from recsys.data import bucket
from recsys.data.bucket import Bucket
from recsys.data.lake import Lake
from recsys.errors import ConfigError, StoreError


def test_the_store_decides_who_was_first(s3_root: str) -> None:
    """Without a look beforehand: two writers that both saw nothing there."""
    one = Bucket(s3_root)
    assert one.create("a/claim", b"mine")
    with pytest.raises(FileExistsError):
        one._asked("a/claim", lambda fs, key: fs.pipe_file(key, b"theirs", mode="create"))
    assert one.read("a/claim") == b"mine"


@pytest.mark.slow
def test_a_large_object_is_sent_in_parts_and_still_first_come(s3_root: str) -> None:
    one, blob = Bucket(s3_root), bytes(101 * 2**20)
    assert one.create("large", blob)
    with pytest.raises(FileExistsError):
        one._asked("large", lambda fs, key: fs.pipe_file(key, blob, mode="create"))
    assert len(one.read("large")) == len(blob)


def test_a_put_that_met_another_is_tried_again(s3_root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one, asked = Bucket(s3_root), []
    real = Bucket._asked

    def busy_once(self: Bucket, path: str, ask: object) -> object:
        asked.append(path)
        if len(asked) == 2:  # the first is the look whether it is there
            raise BlockingIOError(path)
        return real(self, path, ask)  # type: ignore[arg-type]

    monkeypatch.setattr(Bucket, "_asked", busy_once)
    assert one.create("a", b"1")
    assert len(asked) == 3


def test_the_root_is_the_end_of_the_world(s3_root: str) -> None:
    Lake(f"{s3_root}-other").put_new("b", b"")
    assert list(Lake(s3_root).paths("")) == []


def test_a_store_that_is_away_is_one_sentence_within_seconds(
    s3_root: str, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_port}")
    _forget()
    began = time.monotonic()
    with pytest.raises(StoreError, match=r"The store s3://.* cannot be used; got Could not connect.*AWS_ENDPOINT"):
        list(Lake(s3_root).paths("generations"))
    assert time.monotonic() - began < 30
    _forget()


def test_a_bucket_that_is_not_there_is_named(s3_root: str) -> None:
    for look in (lambda lake: list(lake.paths("")), lambda lake: lake.read("a"), lambda lake: lake.claim("a", b"")):
        with pytest.raises(StoreError, match=r"s3://no-such-bucket/x cannot be used.*Create the bucket"):
            look(Lake("s3://no-such-bucket/x"))


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (PermissionError("Access Denied"), "The key may not do this"),
        (type("NoCredentialsError", (Exception,), {})("Unable to locate credentials"), "Set AWS_ACCESS_KEY_ID"),
        (RuntimeError(), "Check AWS_ENDPOINT_URL"),
    ],
)
def test_every_error_has_a_cure(s3_root: str, error: Exception, cure: str) -> None:
    def refuse(fs: object, key: str) -> None:
        raise error

    with pytest.raises(StoreError, match=cure):
        Bucket(s3_root)._asked("a", refuse)


def test_without_the_library_it_says_what_to_install(s3_root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with pytest.raises(ConfigError, match=r"needs s3fs.*\[s3\]"):
        Lake(s3_root).exists("a")


def _forget() -> None:
    bucket._file_system().clear_instance_cache()
