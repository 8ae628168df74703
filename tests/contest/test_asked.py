"""What a night is asked to do is checked before anything is done."""

from __future__ import annotations

import pytest

from recsys.config import parse
from recsys.contest.asked import chosen
from recsys.data.lake import Lake
from recsys.errors import ConfigError, UsageError
from recsys.publication import standing

SETTINGS = parse({"contenders": {name: {"family": name} for name in ("popularity", "search", "ease")}})


def test_contenders_come_in_the_order_of_the_settings(tmp_path: object) -> None:
    now = standing(Lake(str(tmp_path)))
    assert chosen(["ease", "popularity"], SETTINGS, now) == ["popularity", "ease"]
    with pytest.raises(UsageError, match="got als; wanted some of popularity, search, ease"):
        chosen(["als"], SETTINGS, now)


def test_what_answers_texts_is_no_contender(tmp_path: object) -> None:
    with pytest.raises(ConfigError, match="'search', which answers texts"):
        chosen(None, SETTINGS, standing(Lake(str(tmp_path))))
