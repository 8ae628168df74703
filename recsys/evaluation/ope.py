"""A whole off-policy evaluation of a log in a file: a survey, then the sums; memory of one chunk for long logs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np

from recsys.contract import F64
from recsys.errors import DataError
from recsys.evaluation import files
from recsys.evaluation.exposures import Exposures, concatenate
from recsys.evaluation.logfile import LogFile, RowTarget, open_log, read_target, target_arms
from recsys.evaluation.offpolicy import Estimate, Evaluation, Predictions, Settings, add_up, summarise
from recsys.evaluation.reward_models import ArmMeans, cross_fit, fold_of
from recsys.evaluation.slates import Slates, arm_model, by_slate, evaluate_slates
from recsys.evaluation.targets import Target, seen_at

IN_MEMORY = 1_000_000  # rows up to which slates are put together and the context is modelled
UNIFORM = "uniform"
Chunks = Callable[[], Iterable[Exposures]]


@dataclass(frozen=True)
class Answer:
    """What the target would have earned per exposure, and per slate where the log has slates."""

    action: str  # product or arm: what the target chooses
    exposures: Evaluation
    slates: tuple[Estimate, ...]
    notes: tuple[str, ...]  # what could not be done, and why


def answer(log: Path, policy: str, action: str = "", settings: Settings | None = None) -> Answer:
    """Judge the policy in a file, or "uniform", on a log in a file. Raises DataError and UsageError in words."""
    settings = settings or Settings()
    choice = action or ("product" if "product" in files.names(log, []) else "arm")
    source = open_log(log, choice, () if policy == UNIFORM else target_arms(Path(policy), choice))
    target = Target.uniform(len(source.arms)) if policy == UNIFORM else read_target(Path(policy), source)
    whole = concatenate(list(source.batches())) if source.rows <= IN_MEMORY else None
    notes = list(source.notes)
    chunks: Chunks = source.batches if whole is None else lambda: [whole]
    if isinstance(target, RowTarget):
        notes.append("the policy gives chances of logged choices only: no outcome model, and support is not checked")
        sums = reduce(add, (add_up(part, target.logged(part), None, settings) for part in chunks()))
        evaluation = summarise(sums, settings)
    else:
        evaluation = _evaluate(source, target, chunks, settings, notes)
    return Answer(choice, evaluation, _slates(source, target, whole, settings, notes), tuple(notes))


def _evaluate(source: LogFile, target: Target, chunks: Chunks, settings: Settings, notes: list[str]) -> Evaluation:
    positions, k = source.positions, len(source.arms)
    means = ArmMeans(np.zeros((3, positions, k)), np.zeros((3, positions, k)))
    seen, shown = np.zeros((positions, k), dtype=bool), np.zeros(positions)
    for part in chunks():
        means, seen = means + ArmMeans.of(part, positions), seen | seen_at(part, positions)
        shown += np.bincount(part.position - 1, minlength=positions)
    unseen = target.unseen(seen, shown)
    if source.context and source.rows > IN_MEMORY:
        notes.append(f"{source.rows:,} rows: outcomes are modelled by arm and position, the x_ columns are not used")

    def predict(part: Exposures) -> Predictions:
        with_context = bool(source.context) and source.rows <= IN_MEMORY
        return cross_fit(part, target) if with_context else means.predict(part, target)

    parts = (add_up(part, target.logged(part), predict(part), settings, unseen * len(part)) for part in chunks())
    return summarise(reduce(add, parts), settings)


def _slates(
    source: LogFile, target: Target | RowTarget, whole: Exposures | None, settings: Settings, notes: list[str]
) -> tuple[Estimate, ...]:
    if "slate" not in source.columns or source.positions == 1:
        return ()
    if whole is None:
        notes.append(f"{source.rows:,} rows: slates are put together for at most {IN_MEMORY:,}")
        return ()
    try:
        slates = by_slate(whole, target.logged(whole))
    except DataError as error:
        notes.append(f"no slate estimates: {error}")
        return ()
    return evaluate_slates(slates, _slate_model(slates, whole, target), settings)


def _slate_model(slates: Slates, whole: Exposures, target: Target | RowTarget) -> F64 | None:
    """The outcome model of cascade-DR, where the target is known in full."""
    if isinstance(target, RowTarget):
        return None
    length = slates.row.shape[1]
    table = np.broadcast_to(target.table, (length, len(whole.arms))) if len(target.table) == 1 else target.table
    arm = np.where(slates.row >= 0, whole.arm[slates.row], -1).astype(np.int64)
    return arm_model(slates, arm, np.asarray(table[:length]), fold_of(slates.visitor, 2))
