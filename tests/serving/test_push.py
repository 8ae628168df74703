"""Lists in a shop's own table: all of them, or what was there before."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from recsys.errors import ServiceError, StoreError
from recsys.serving.push import follow, push_lists
from tests.tracking import world


def rows(file: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(file) as db:
        return db.execute("select customer, place, product, generation, as_of from lists order by 1, 2").fetchall()


def test_the_table_holds_the_newest_lists_alone(tmp_path: Path) -> None:
    lake, file = world.lake_of(world.settings(tmp_path)), tmp_path / "shop.db"
    world.publish(lake, "ease", 7)
    world.publish(lake, "als", 8)
    assert push_lists(lake, "gen-000001", f"sqlite:///{file}", "lists") == 7
    assert push_lists(lake, "gen-000002", f"sqlite:///{file}", "lists") == 7
    assert rows(file)[:2] == [
        ("alice", 1, "mug", "gen-000002", "2011-12-08"),
        ("alice", 2, "poster", "gen-000002", "2011-12-08"),
    ]
    assert len(rows(file)) == sum(map(len, world.LISTS.values())) == 7


def test_what_fails_leaves_the_old_lists(tmp_path: Path) -> None:
    lake, file = world.lake_of(world.settings(tmp_path)), tmp_path / "shop.db"
    world.publish(lake, "ease", 7)
    push_lists(lake, "gen-000001", f"sqlite:///{file}", "lists")
    before = rows(file)
    with sqlite3.connect(file) as db:
        db.execute("create trigger no before insert on lists begin select raise(abort, 'no'); end")
    with pytest.raises(ServiceError, match="holds what it held"):
        push_lists(lake, "gen-000001", f"sqlite:///{file}", "lists")
    assert rows(file) == before


@pytest.mark.parametrize("url", ["nodb://user:s3cret@host/db", "s3cret", "postgresql+nodriver://u:s3cret@h/d"])
def test_a_wrong_address_is_told_without_its_password(tmp_path: Path, url: str) -> None:
    lake = world.lake_of(world.settings(tmp_path))
    world.publish(lake, "ease", 7)
    with pytest.raises(ServiceError) as told:
        push_lists(lake, "gen-000001", url, "lists")
    assert "s3cret" not in str(told.value)


def test_only_what_was_published_is_pushed(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="gen-000009"):
        push_lists(world.lake_of(world.settings(tmp_path)), "gen-000009", "sqlite://", "lists")


def test_a_rollback_is_followed_where_there_is_a_table_to_follow(tmp_path: Path) -> None:
    one, file = world.settings(tmp_path), tmp_path / "shop.db"
    lake = world.lake_of(one)
    world.publish(lake, "ease", 7)
    assert follow(one, lake, "gen-000001") == 0
    told = one.publishing.model_copy(update={"push_url": f"sqlite:///{file}", "push_table": "lists"})
    assert follow(one.model_copy(update={"publishing": told}), lake, "gen-000001") == 7
    away = told.model_copy(update={"push_url": "sqlite:////nowhere/shop.db"})
    with pytest.raises(ServiceError, match="served again, but not from the shop's database"):
        follow(one.model_copy(update={"publishing": away}), lake, "gen-000001")
