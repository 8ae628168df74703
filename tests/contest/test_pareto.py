from __future__ import annotations

from recsys.contest.pareto import pareto_front, points


def row(name: str, seconds: float | None, mean: float | None) -> dict[str, object]:
    tracks = {} if mean is None else {"new": {"metrics": {"ndcg_at_10": {"mean": mean}}}}
    return {"name": name, "fit_seconds": seconds, "tracks": tracks}


ROWS = [row("slow", 90, 0.40), row("bar", 0.1, 0.2), row("waste", 50, 0.30), row("good", 5, 0.39), row("dead", 3, None)]


def test_points_leave_out_who_was_not_scored() -> None:
    assert [p[0] for p in points(ROWS, "new", "ndcg_at_10")] == ["bar", "good", "waste", "slow"]
    assert points(ROWS, "basket", "ndcg_at_10") == []


def test_the_front_holds_who_nobody_beats_in_both() -> None:
    assert [p[0] for p in pareto_front(points(ROWS, "new", "ndcg_at_10"))] == ["bar", "good", "slow"]
    assert pareto_front([("a", 1.0, 0.5), ("b", 1.0, 0.6), ("c", 2.0, 0.6)]) == [("b", 1.0, 0.6)]
