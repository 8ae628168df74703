"""A contender's night as a flat MLflow run, and the night's summary run with leaderboard and plot."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from recsys.config import Settings
from recsys.contest.pareto import points
from recsys.data.lake import Lake
from recsys.tracking.connect import Book
from recsys.tracking.facts import log_facts, metrics_of_facts
from recsys.tracking.plots import cost_figure, figures

Json = Mapping[str, Any]
ENDED = ("FINISHED", "FAILED")
BATCH = 500  # metrics per request; the server takes 1000
TEXT = 500  # characters of a parameter
log = logging.getLogger(__name__)


def log_contender(book: Book, settings: Settings, night: Json, record: Json, told: Json, epochs: Sequence[Json]) -> str:
    """The run of one contender, made once per night; returns its id. told: the night's decision and publication."""
    decision = told["decision"]
    name = str(record["name"])
    known, done = _find(book, night, name)
    if known and done:
        return known
    status = str(record["status"])
    tags = tags_of(night, "contender", name) | {
        "family": str(record.get("family", "")),
        "status": status,
        "role": "champion" if decision.get("champion") == name else "challenger",
        "generation": str(told["published"].get("generation") or ""),
    }
    if status != "ok":
        tags["mlflow.note.content"] = f"**{status}**: {record.get('reason', '')}"
    run = _open(book, known, name, tags)
    numbers = [(key, value, 0) for key, value in metrics_of(record, settings.contest.track).items()]
    log_numbers(book, run, [*numbers, *_per_epoch(epochs)], params_of(night, record))
    _log_dataset(book, run, night, settings)
    for title, figure in figures(record, epochs, settings):
        book.client.log_figure(run, figure, title)
    book.client.set_terminated(run, "FINISHED" if status == "ok" else "FAILED")
    return run


def log_summary(book: Book, settings: Settings, lake: Lake, told: Json) -> str:
    """The run that holds the night's leaderboard, decision and facts; returns its id."""
    night, decision, published, facts = told["night"], told["decision"], told["published"], told.get("facts") or {}
    known, done = _find(book, night, "night")
    if known and done:
        return known
    reasons = " ".join(decision.get("reasons", ()))
    tags = tags_of(night, "summary", "night") | {
        "champion": str(decision.get("champion")),
        "config_digest": config_digest(decision),
        "action": str(decision.get("action")),
        "generation": str(published.get("generation")),
        "mlflow.note.content": f"As of {night['as_of']}: **{decision.get('champion')}**. {reasons}",
    }
    run = _open(book, known, f"night {night['as_of']}", tags)
    board = decision.get("leaderboard", ())
    counts = {f"contenders_{s}": sum(row["status"] == s for row in board) for s in ("ok", "failed", "refused")}
    numbers = [(_name(key), value, 0) for key, value in {**counts, **metrics_of_facts(facts)}.items()]
    log_numbers(book, run, numbers, {"as_of": night["as_of"], "seed": night["seed"]})
    _log_dataset(book, run, night, settings)
    book.client.log_dict(run, dict(decision), "decision.json")
    book.client.log_table(run, leaderboard_columns(board, settings), "leaderboard.json")
    figure = leaderboard_figure(board, settings, str(decision.get("champion")))
    book.client.log_figure(run, figure, "leaderboard.png")
    cost = points(board, settings.contest.track, settings.contest.primary)
    book.client.log_figure(run, cost_figure(cost, settings.contest.primary), "cost.png")
    lost = log_facts(book.client, run, lake, facts)
    if lost:
        log.warning("Tables of the night that cannot be read are not in MLflow: %s.", ", ".join(lost))
        book.client.set_tag(run, "facts_lost", ", ".join(lost))
    book.client.set_terminated(run)
    return run


def metrics_of(record: Json, track: str) -> dict[str, float]:
    """Flat metric names: the deciding track has no prefix and carries its interval, others are `track/metric`."""
    found: dict[str, Any] = {k: record.get(k) for k in ("fit_seconds", "fit_cpu_seconds", "peak_memory_mb")}
    found |= {f"tuning/{k}": v for k, v in dict(record.get("tuning", {})).items() if k != "metric"}
    for name, card in dict(record.get("tracks", {})).items():
        prefix = "" if name == track else f"{name}/"
        for metric, interval in card["metrics"].items():
            found[f"{prefix}{metric}"] = interval["mean"]
            if name == track:
                found |= {f"interval/{metric}_{end}": interval[end] for end in ("low", "high")}
        found |= {f"{prefix}{metric}": value for metric, value in card["whole"].items()}
        if name == track:
            found |= {f"{group}/{m}": v for group, values in card["groups"].items() for m, v in values.items()}
    return {_name(k): float(v) for k, v in found.items() if v is not None and math.isfinite(v)}


def params_of(night: Json, record: Json) -> dict[str, Any]:
    """The family and its settings, flat; what the night fixed for everybody."""
    own = {f"{key}": value for key, value in dict(record.get("settings", {})).items()}
    return {"family": record.get("family", ""), "as_of": night["as_of"], "seed": night["seed"], **own}


def leaderboard_columns(board: Sequence[Json], settings: Settings) -> dict[str, list[Any]]:
    """One list per column, contenders best first."""
    primary, track = settings.contest.primary, settings.contest.track
    scored = [row.get("tracks", {}).get(track, {}).get("metrics", {}).get(primary, {}) for row in board]
    return {
        "contender": [row["name"] for row in board],
        "family": [row["family"] for row in board],
        "status": [row["status"] if row["status"] == "ok" else f"{row['status']}: {row['reason']}" for row in board],
        primary: [metric.get("mean") for metric in scored],
        "low": [metric.get("low") for metric in scored],
        "high": [metric.get("high") for metric in scored],
        "fit_seconds": [row.get("fit_seconds") for row in board],
        "peak_memory_mb": [row.get("peak_memory_mb") for row in board],
    }


def leaderboard_figure(board: Sequence[Json], settings: Settings, champion: str) -> Any:
    """Means with their intervals, best on top, the champion in colour."""
    from matplotlib.figure import Figure

    columns = leaderboard_columns(board, settings)
    primary = settings.contest.primary
    rows = [i for i, mean in enumerate(columns[primary]) if mean is not None]
    figure = Figure(figsize=(8, 1.2 + 0.35 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for place, i in enumerate(reversed(rows)):
        mean, low, high = columns[primary][i], columns["low"][i], columns["high"][i]
        colour = "#c2410c" if columns["contender"][i] == champion else "#334155"
        axes.plot([low, high], [place, place], color=colour, linewidth=2)
        axes.plot([mean], [place], "o", color=colour)
    axes.set_yticks(range(len(rows)), [columns["contender"][i] for i in reversed(rows)])
    axes.set_xlabel(f"{primary}, {settings.contest.level:.0%} interval, track: {settings.contest.track}")
    axes.grid(axis="x", alpha=0.3)
    return figure


def close_abandoned(book: Book, night: Json) -> int:
    """End the runs that earlier nights opened and never finished; returns how many."""
    wanted = f"attributes.status = 'RUNNING' and tags.kind = 'contender' and tags.night_key != '{night['key']}'"
    left = book.client.search_runs([book.experiment], wanted, max_results=100)
    for run in left:
        book.client.set_terminated(run.info.run_id, "KILLED")
    return len(left)


def _find(book: Book, night: Json, name: str) -> tuple[str | None, bool]:
    """The run of this night and name, and whether it is finished; of several the finished one, the others go.

    One that is not was opened while its contender trained, or left half written: it is written again.
    """
    wanted = f"tags.night_key = '{night['key']}' and tags.contender = '{name}'"
    found = book.client.search_runs([book.experiment], wanted, max_results=10, order_by=["attributes.start_time ASC"])
    found = sorted(found, key=lambda run: run.info.status not in ENDED)
    for run in found[1:]:
        book.client.delete_run(run.info.run_id)
    return (str(found[0].info.run_id), found[0].info.status in ENDED) if found else (None, False)


def tags_of(night: Json, kind: str, name: str) -> dict[str, str]:
    """What every run of a night is found and grouped by."""
    return {
        "kind": kind,
        "contender": name,
        "night": str(night["as_of"]),
        "night_key": str(night["key"]),
        "airflow_run": str(night["run"]),
        "dataset_digest": str(night["digest"]),
        "git_commit": str(night.get("code", "")),
        "mlflow.source.name": "recsys",
    }


def config_digest(decision: Json) -> str:
    """Of the settings a decision was taken under; "" where it says none."""
    return str(dict(decision.get("digests", {})).get("config", ""))


def _open(book: Book, known: str | None, name: str, tags: Mapping[str, str]) -> str:
    """The known run with these tags, or a new one."""
    if known:
        for key, value in tags.items():
            book.client.set_tag(known, key, value)
        return known
    return str(book.client.create_run(book.experiment, tags=dict(tags), run_name=name).info.run_id)


def log_numbers(book: Book, run: str, numbers: Sequence[tuple[str, float, int]], params: Mapping[str, Any]) -> None:
    """Log numbers (name, value, step), however many, and parameters, in requests the server takes."""
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    values = [Metric(name, float(value), now, step) for name, value, step in numbers]
    settings = [Param(name, str(value)[:TEXT]) for name, value in params.items()]
    book.client.log_batch(run, metrics=values[:BATCH], params=settings)
    for at in range(BATCH, len(values), BATCH):
        book.client.log_batch(run, metrics=values[at : at + BATCH])


def _per_epoch(epochs: Sequence[Json]) -> Iterator[tuple[str, float, int]]:
    """What a fit reported once per epoch: `train/loss` and the like, with the epoch as step."""
    for line in epochs:
        for name, value in line.items():
            if name != "step" and isinstance(value, int | float) and math.isfinite(value):
                yield _name(f"train/{name}"), float(value), int(line["step"])


def _log_dataset(book: Book, run: str, night: Json, settings: Settings) -> None:
    import json

    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"lake": night["lake"], **night["dataset"]})
    dataset = Dataset(
        name=f"{settings.shop.name} as of {night['as_of']}",
        digest=str(night["digest"])[:36],
        source_type="lake",
        source=source,
        profile=json.dumps(night.get("sizes", {})),
    )
    book.client.log_inputs(run, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def _name(text: str) -> str:
    """Only what MLflow accepts in a name."""
    return "".join(c if c.isalnum() or c in "_-./ " else "_" for c in text)
