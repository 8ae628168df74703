"""Tuning: settings tried one after another in isolated fits, judged on a validation split inside the past.

The newest tenth of each customer's products is hidden; what a fit itself needs for early stopping is hidden from what
is left. Whatever comes after the past (a test file, the backtest's days) is never read. The first trial is the
contender as it stands, so the best one is never worse than it on what was hidden. Values are proposed by Optuna's
tree-structured Parzen estimator (Bergstra et al. 2011); the same seed and number of trials give the same search.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from recsys import arrays
from recsys.config import Contender
from recsys.contest.isolated import Job, Result, fit
from recsys.contest.measure import Exam, answer
from recsys.contest.spaces import Axis, Words, setting_of
from recsys.contract import Dataset, Part
from recsys.data.split import validation_split
from recsys.errors import EmptyError
from recsys.evaluation.scorecard import score
from recsys.models import catalog
from recsys.scorers.store import load_scorer

JUDGED = 10_000  # customers at most
MOST_TRIALS = 1000  # a space of few values is exhausted long before the seconds are
AT_RANDOM = 8  # trials before the sampler trusts what it has seen


@dataclass(frozen=True)
class Terms:
    """How settings are compared. A search ends after `trials` fits (the first one included) or after `seconds`."""

    metric: str = "ndcg_at_10"
    seconds: float | None = 60.0  # of one contender
    trials: int | None = None
    seed: int = 0
    fit_seconds: float = 900.0
    memory_mb: int = 8192


@dataclass(frozen=True)
class Trial:
    """One fit. value: mean of the metric on what was hidden; None where the fit failed."""

    number: int
    settings: Mapping[str, Any]
    status: str
    value: float | None
    seconds: float
    reason: str = ""


@dataclass(frozen=True)
class Tuned:
    """A contender's search: the settings to enter it with, and every trial. before: value of the first trial."""

    name: str
    family: str
    metric: str
    settings: Mapping[str, Any]
    value: float | None
    before: float | None
    seed: int
    trials: tuple[Trial, ...]

    def json(self) -> dict[str, Any]:
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain


@dataclass(frozen=True)
class Ground:
    """What every trial of every contender is fitted and judged on."""

    dataset: str  # file of the past
    validation: str  # file of the past's own validation split, for early stopping
    exam: Exam


Tell = Callable[[str, Trial], None]


@contextmanager
def ground(data: Dataset, seed: int = 0) -> Iterator[Ground]:
    """Hide part of `data`; raises EmptyError when no customer has two products."""
    split = validation_split(data)
    if not len(split.queries):
        raise EmptyError(
            "Nothing can be hidden to judge settings on", got="no customer with two products", wanted="at least one"
        )
    queries, truth = split.queries, split.truth
    if len(queries) > JUDGED:
        rows = np.sort(np.random.default_rng(seed).permutation(len(queries))[:JUDGED]).astype(np.int32)
        queries, truth = queries.take(rows), truth.take(rows)
    seen = queries.history.seen(data.n_products)
    with TemporaryDirectory(prefix="recsys-tune-") as folder:
        dataset, validation = Path(folder) / "dataset", Path(folder) / "validation"
        dataset.write_bytes(arrays.to_bytes(split.train))
        validation.write_bytes(arrays.to_bytes(validation_split(split.train)))
        yield Ground(str(dataset), str(validation), Exam(queries, truth, seen, None))


def tune(name: str, contender: Contender, space: Mapping[str, Axis], where: Ground, terms: Terms, tell: Tell) -> Tuned:
    """Search one contender's settings; a trial that fails is a trial, and where all fail the settings stay."""
    trials: list[Trial] = []
    for trial in _search(contender, space, where, terms):
        trials.append(trial)
        tell(name, trial)
    scored = [t for t in trials if t.value is not None]
    best = max(scored, key=lambda t: (t.value or 0.0, -t.number)) if scored else trials[0]
    return Tuned(
        name, contender.family, terms.metric, best.settings, best.value, trials[0].value, terms.seed, tuple(trials)
    )


def _search(contender: Contender, space: Mapping[str, Axis], where: Ground, terms: Terms) -> Iterator[Trial]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=terms.seed, n_startup_trials=AT_RANDOM)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    distributions = {setting: _distribution(axis) for setting, axis in space.items()}
    ends = None if terms.trials is not None or terms.seconds is None else time.monotonic() + terms.seconds
    first = _try(0, contender, contender.settings, where, terms, ends)
    known = {_key(contender.settings): first.value}
    yield first
    number = 1
    for _ in range(MOST_TRIALS if space else 0):
        if number >= (terms.trials or MOST_TRIALS) or (ends is not None and time.monotonic() >= ends):
            return
        asked = study.ask(distributions)
        tried = {setting: setting_of(space[setting], value) for setting, value in asked.params.items()}
        settings = {**contender.settings, **tried}
        if _key(settings) not in known:
            trial = _try(number, contender, settings, where, terms, ends)
            if trial.status == "stopped":  # the budget ended it, which says nothing of its settings
                return
            known[_key(settings)] = trial.value
            yield trial
            number += 1
        study.tell(asked, known[_key(settings)] or 0.0)  # a failure counts as worthless, or it is tried for ever


def _try(
    number: int, contender: Contender, settings: Mapping[str, Any], where: Ground, terms: Terms, ends: float | None
) -> Trial:
    """Fit and judge once; stopped = the budget of the whole search ended it, not its own limit."""
    left = terms.fit_seconds if ends is None else min(terms.fit_seconds, max(ends - time.monotonic(), 1.0))
    if number == 0:  # what stands is judged whatever the budget
        left = terms.fit_seconds
    began = time.monotonic()
    needs = catalog.load(contender.family).needs
    validation = where.validation if Part.VALIDATION in needs else None
    result = fit(
        Job(contender.family, settings, where.dataset, terms.seed, left, terms.memory_mb, validation=validation)
    )
    value = _judged(result, where, terms.metric)
    status = result.status
    if value is None and left < terms.fit_seconds and time.monotonic() - began >= left:
        status = "stopped"
    return Trial(number, dict(settings), status, value, round(time.monotonic() - began, 3), result.reason)


def _judged(result: Result, where: Ground, metric: str) -> float | None:
    if result.scorer is None:
        return None
    k = int(metric.rsplit("_", 1)[1])
    answers = answer(load_scorer(result.scorer), where.exam, k)
    values = score(answers.ranks, where.exam.truth.start, answers.lists, (k,))[0][metric]
    return float(np.nanmean(values))


def _distribution(axis: Axis) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(axis, Words):
        return CategoricalDistribution(axis.options)
    if axis.whole:
        return IntDistribution(int(axis.low), int(axis.high), log=not axis.even)
    return FloatDistribution(axis.low, axis.high, log=not axis.even)


def _key(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True, default=list)


def fragment(found: Sequence[Tuned]) -> str:
    """The best settings as a part of recsys.toml, each with what was measured."""
    return "\n".join(_table(tuned) for tuned in found)


def _table(tuned: Tuned) -> str:
    told = "no trial came to an end" if tuned.value is None else f"{tuned.metric} {tuned.value:.4f}"
    before = "failed" if tuned.before is None else f"{tuned.before:.4f}"
    lines = [
        f"# {len(tuned.trials)} trials, seed {tuned.seed}: {told} on hidden purchases; as it stood before: {before}",
        f"[contenders.{tuned.name}]",
        f"family = {_toml(tuned.family)}",
        *(f"{name} = {_toml(value)}" for name, value in tuned.settings.items()),
    ]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """Text, truth, numbers and lists of them: JSON writes these as TOML does."""
    return json.dumps(list(value) if isinstance(value, tuple) else value)
