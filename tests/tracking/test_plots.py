"""A contender's figures: labelled with n, drawn only where there is something to draw."""

from __future__ import annotations

from pathlib import Path

from recsys.tracking.plots import MARK, cost_figure, figures
from tests.tracking import world


def test_groups_with_their_n_and_epochs_with_their_steps(tmp_path: Path) -> None:
    one = world.settings(tmp_path)
    record = world.record(world.lake_of(one), "ease", 0.2)
    epochs = [{"step": 0, "loss": 0.7, "seconds": 1.0}, {"step": 1, "loss": 0.4, "seconds": 2.0, "lr": 0.1}]
    drawn = dict(figures(record, epochs, one))
    assert set(drawn) == {"groups.png", "epochs.png"}
    assert [t.get_text() for t in drawn["groups.png"].axes[0].get_yticklabels()] == ["cold, n = 5"]
    curve = drawn["epochs.png"].axes  # one reported value is no curve: lr is left out
    assert [a.get_ylabel() for a in curve] == ["loss"]
    assert curve[0].lines[0].get_xydata().tolist() == [[0.0, 0.7], [1.0, 0.4]]


def test_nothing_to_draw(tmp_path: Path) -> None:
    assert list(figures(world.failed("x"), [], world.settings(tmp_path))) == []


COSTS = [("bar", 0.1, 0.2), ("good", 5.0, 0.39), ("waste", 50.0, 0.30), ("slow", 90.0, 0.40)]


def test_the_figure_names_everybody_and_marks_the_front() -> None:
    axes = cost_figure(COSTS, "ndcg_at_10").axes[0]
    assert [text.get_text() for text in axes.texts] == ["bar", "good", "waste", "slow"]
    step, *marks = axes.lines
    assert step.get_xdata().tolist() == [0.1, 5, 90]
    assert [mark.get_color() == MARK for mark in marks] == [True, True, False, True]
    assert axes.get_ylabel() == "ndcg@10"
    assert not cost_figure([], "ndcg_at_10").axes[0].texts
