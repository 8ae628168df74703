"""What a person's answer makes of a proposal; silence keeps the champion."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys.contest.approval import settle
from recsys.data.lake import Lake
from recsys.data.runs import note_of, remember

PROPOSED = {
    "action": "keep",
    "champion": "ease",
    "previous": "ease",
    "proposal": "als",
    "reasons": ["Promotion waits for approval.", "als would replace ease: it was better."],
    "path": "nights/2011-12-08/k/decision-3-approve.json",
    "base": 3,
}


def test_an_approved_proposal_is_a_promotion(tmp_path: Path) -> None:
    final = settle(Lake(str(tmp_path)), PROPOSED, {"answer": "promote", "by": "anna"})
    assert (final["action"], final["champion"], final["previous"], final["proposal"]) == (
        "promote",
        "als",
        "ease",
        None,
    )
    assert final["reasons"] == ["als replaces ease: it was better.", "Approved by anna."]
    assert final["base"] == 3
    assert Lake(str(tmp_path)).read_json(final["path"]) == final


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"answer": "keep", "by": ""}, "Nobody answered in time, so ease stays."),
        ({"answer": "keep", "by": "anna"}, "anna kept ease."),
        ({"answer": "promote", "by": ""}, "Nobody answered in time"),  # no name, no promotion
        ({}, "Nobody answered in time"),
        ({"answer": "yes", "by": "anna"}, "anna kept ease."),
    ],
)
def test_anything_else_keeps_the_champion(tmp_path: Path, answer: dict[str, str], said: str) -> None:
    final = settle(Lake(str(tmp_path)), PROPOSED, answer)
    assert (final["action"], final["champion"], final["previous"]) == ("keep", "ease", "ease")
    assert final["reasons"][0].startswith(said)


def test_without_a_proposal_the_decision_stands(tmp_path: Path) -> None:
    taken = {**PROPOSED, "proposal": None}
    assert settle(Lake(str(tmp_path)), taken, {"answer": "promote", "by": "anna"}) == taken
    assert not list(tmp_path.iterdir())


def test_a_run_remembers_its_night(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    run = "scheduled__2011-12-08T02:00:00+00:00/../x"
    assert note_of(lake, run) is None
    remember(lake, {"run": run, "as_of": "2011-12-07", "key": "k"})
    remember(lake, {"run": run, "as_of": "2011-12-07", "key": "k"}, "nights/d.json")
    assert note_of(lake, run) == {"as_of": "2011-12-07", "key": "k", "decision": "nights/d.json"}
    assert len(list((tmp_path / "runs").iterdir())) == 1
