"""The contest on a split somebody brings: the same isolated fits, the same judgement, no lake."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from recsys import arrays
from recsys.config import Contender, Contest
from recsys.contest.decide import Decision, Standing, decide
from recsys.contest.gates import Candidate
from recsys.contest.isolated import Job, Result, fit
from recsys.contest.measure import Exam, answer, bought_share
from recsys.contract import Part, Scorer, settings_of
from recsys.data.pairs import OwnSplit
from recsys.data.split import validation_split
from recsys.errors import UsageError
from recsys.evaluation.scorecard import Scorecard, list_numbers, score, summary, truth_numbers
from recsys.models import catalog
from recsys.scorers.store import load_scorer

Announce = Callable[[str, str, Mapping[str, Any]], None]  # (contender, event, numbers)


@dataclass(frozen=True)
class Terms:
    """How a contest on an own split is held."""

    at: tuple[int, ...] = (10, 20)
    keep_seen: bool = False
    validation: float = 0.1
    seed: int = 0
    seconds: float = 900.0
    memory_mb: int = 16_384
    draws: int = 500


@dataclass(frozen=True)
class Entrant:
    """One contender's outcome."""

    name: str
    family: str
    settings: Mapping[str, Any]
    result: Result
    card: Scorecard | None = None
    score_cpu_seconds: float = 0.0
    summary: Mapping[str, Any] = field(default_factory=dict)


def hold(split: OwnSplit, contenders: Mapping[str, Contender], terms: Terms, announce: Announce) -> list[Entrant]:
    """Fit and judge every contender; one that fails is a result. Blends come after their parts."""
    for contender in contenders.values():
        catalog.enter(contender.family, contender.settings)  # a wrong setting is known before the first fit
    ordered = sorted(contenders.items(), key=lambda item: _is_blend(item[1]))
    lent = _parts_of_blends(contenders)
    with tempfile.TemporaryDirectory(prefix="recsys-contest-") as folder:
        files = _Files.write(Path(folder), split, terms, [c for _, c in ordered], lent)
        entrants: list[Entrant] = []
        for name, contender in ordered:
            announce(name, "fit", {})
            entrants.append(_enter(name, contender, split, files, terms, announce))
    return sorted(entrants, key=lambda e: list(contenders).index(e.name))


def _is_blend(contender: Contender) -> bool:
    return Part.PARTS in catalog.load(contender.family).needs


def _parts_of_blends(contenders: Mapping[str, Contender]) -> frozenset[str]:
    """Contenders that a blend joins; raises UsageError when a blend names one that is not entered."""
    single = [name for name, c in contenders.items() if not _is_blend(c)]
    lent: set[str] = set()
    for name, contender in contenders.items():
        if not _is_blend(contender):
            continue
        wanted = contender.settings.get("parts") or single
        missing = [part for part in wanted if part not in single]
        if missing or not wanted:
            raise UsageError(
                f"The blend {name} has no part {', '.join(missing)}",
                got=f"contenders {', '.join(contenders)}",
                cure="Enter its parts in the same contest: --contenders als,ease,blend.",
            )
        lent |= set(wanted)
    return frozenset(lent)


@dataclass(frozen=True)
class _Files:
    """Where this contest's inputs and fitted parts lie."""

    folder: Path
    dataset: str
    validation: str | None = None
    past: str | None = None
    past_validation: str | None = None
    lent: frozenset[str] = frozenset()  # contenders that are fitted on the past as well

    @classmethod
    def write(
        cls, folder: Path, split: OwnSplit, terms: Terms, contenders: Sequence[Contender], lent: frozenset[str]
    ) -> _Files:
        def place(name: str, value: Any) -> str:
            file = folder / f"{name}.safetensors"
            file.write_bytes(arrays.to_bytes(value))
            return str(file)

        dataset = place("dataset", split.train)
        needs = {part for c in contenders for part in catalog.load(c.family).needs}
        if not needs & {Part.VALIDATION, Part.PARTS}:
            return cls(folder, dataset)
        held = validation_split(split.train, terms.validation)
        validation = place("validation", held)
        if not lent:
            return cls(folder, dataset, validation)
        earlier = place("past_validation", validation_split(held.train, terms.validation))
        return cls(folder, dataset, validation, place("past", held.train), earlier, lent)


def _enter(
    name: str, contender: Contender, split: OwnSplit, files: _Files, terms: Terms, announce: Announce
) -> Entrant:
    needs = catalog.load(contender.family).needs
    parts = _parts(contender, files) if Part.PARTS in needs else {}
    job = Job(
        contender.family,
        contender.settings,
        files.dataset,
        terms.seed,
        terms.seconds,
        terms.memory_mb,
        parts=parts,
        validation=files.validation if needs & {Part.VALIDATION, Part.PARTS} else None,
    )
    result = fit(job, lambda numbers: announce(name, "epoch", numbers))
    if result.scorer is None:
        announce(name, result.status, {"reason": result.reason})
        return Entrant(name, contender.family, contender.settings, result)
    (files.folder / f"{name}.scorer").write_bytes(result.scorer)
    if name in files.lent:
        _fit_past(name, contender, files, terms)
    scorer = load_scorer(result.scorer)
    return _judge(Entrant(name, contender.family, contender.settings, result), scorer, split, terms, announce)


def _fit_past(name: str, contender: Contender, files: _Files, terms: Terms) -> None:
    """The same contender without the validation rows: what a blend may learn its weights from."""
    assert files.past is not None
    needs = catalog.load(contender.family).needs
    job = Job(
        contender.family,
        contender.settings,
        files.past,
        terms.seed,
        terms.seconds,
        terms.memory_mb,
        validation=files.past_validation if Part.VALIDATION in needs else None,
    )
    result = fit(job)
    if result.scorer is not None:
        (files.folder / f"{name}.past").write_bytes(result.scorer)


def _parts(contender: Contender, files: _Files) -> dict[str, str]:
    """Files of a blend's parts: `part` fitted on everything, `past:part` fitted without the validation rows.

    A part whose fit failed is left out; a blend without any fails by itself.
    """
    found: dict[str, str] = {}
    for part in contender.settings.get("parts") or sorted(files.lent):
        fresh, past = files.folder / f"{part}.scorer", files.folder / f"{part}.past"
        if fresh.exists() and past.exists():
            found |= {part: str(fresh), f"past:{part}": str(past)}
    return found


def _judge(entrant: Entrant, scorer: Scorer, split: OwnSplit, terms: Terms, announce: Announce) -> Entrant:
    from time import process_time

    m = len(split.train.space.products)
    seen = None if terms.keep_seen else split.queries.history.seen(m)
    exam = Exam(split.queries, split.truth, seen, None, split.candidates)
    answer(scorer, _first_row(exam), max(terms.at))  # kernels are compiled outside the timing
    cpu = process_time()
    answers = answer(scorer, exam, max(terms.at))
    values, whole = score(answers.ranks, split.truth.start, answers.lists, terms.at)
    cpu = process_time() - cpu
    cluster = np.arange(len(split.ids), dtype=np.int64)
    share = bought_share(split.queries.history, m)
    whole |= {
        "score_seconds": answers.seconds,
        **list_numbers(answers.lists, share, terms.at),
        **truth_numbers(answers, split.truth, share, terms.at),
    }
    card = Scorecard(entrant.name, "own", values, whole, cluster)
    told = summary(card, 0.95, terms.draws, terms.seed)
    announce(entrant.name, "ok", {k: v["mean"] for k, v in told["metrics"].items()})
    return replace(entrant, card=card, summary=told, score_cpu_seconds=cpu)


def _first_row(exam: Exam) -> Exam:
    row = np.zeros(min(len(exam.queries), 1), dtype=np.int32)
    cut = [None if rows is None else rows[: len(row)] for rows in (exam.seen, exam.candidates)]
    return Exam(exam.queries.take(row), exam.truth.take(row), cut[0], exam.barred, cut[1])


def verdict(entrants: Sequence[Entrant], contest: Contest) -> Decision:
    """The first-night rule on this split: who beats the bar, if anybody."""
    candidates = [
        Candidate(
            e.name,
            e.family,
            e.result.status,
            e.result.reason,
            values=None if e.card is None else e.card.values.get(contest.primary),
            coverage=None if e.card is None else e.card.whole[f"coverage_at_{max(contest.at)}"],
        )
        for e in entrants
    ]
    decision = decide(candidates, None, Standing(None), contest)
    return replace(decision, reasons=tuple(r.replace(" is the first champion", " wins") for r in decision.reasons))


def as_json(entrants: Sequence[Entrant], decision: Decision) -> dict[str, Any]:
    """The documented result: contenders with status, settings, metrics, seconds and memory; the decision."""
    return {"contenders": [_entrant_json(e) for e in entrants], "decision": decision.json()}


def _entrant_json(entrant: Entrant) -> dict[str, Any]:
    metrics = entrant.summary.get("metrics", {})
    whole = entrant.summary.get("whole", {})
    return {
        "name": entrant.name,
        "family": entrant.family,
        "status": entrant.result.status,
        "reason": entrant.result.reason,
        "settings": settings_of(catalog.build(entrant.family, entrant.settings)),
        "metrics": {name.replace("_at_", "@"): value for name, value in metrics.items()},
        "lists": {name.replace("_at_", "@"): v for name, v in whole.items() if name != "score_seconds"},
        "fit_seconds": entrant.result.fit_seconds,
        "score_seconds": whole.get("score_seconds"),
        "fit_cpu_seconds": entrant.result.fit_cpu_seconds,
        "score_cpu_seconds": entrant.score_cpu_seconds,
        "peak_memory_mb": entrant.result.peak_memory_mb,
        "scorer_mb": None if entrant.result.scorer is None else len(entrant.result.scorer) / 2**20,
        "report": dict(entrant.result.report),
    }
