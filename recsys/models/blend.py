"""Blend: a weighted sum of other contenders' scores, the weights learnt where no part could look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recsys.contract import F64, Dataset, Fitted, Index, Part, Run, Scorer
from recsys.errors import FitError
from recsys.models.blend_weights import draw, learn, mean_log_rank
from recsys.scorers.blend import BlendScorer, Scale

PAST = "past:"  # `past:NAME` is NAME fitted without the held-out rows; it lends its opinion to the learning only


@dataclass(frozen=True)
class Blend:
    """Joins models that err differently: an item model with a factor model gains most, two neighbours nothing.

    Run.parts holds each part twice, `NAME` fitted on everything and `past:NAME` without what Run.validation holds out.
    Where that is missing the weights are equal.
    """

    family: ClassVar[str] = "blend"
    needs: ClassVar[frozenset[Part]] = frozenset({Part.PARTS, Part.VALIDATION})

    parts: tuple[str, ...] = ()  # names of contenders; empty: all that were fitted
    scale: Scale = "score"

    def fit(self, data: Dataset, run: Run) -> Fitted:
        """Raises FitError without a part, on parts of another night, and past the deadline."""
        given = run.parts or {}
        fresh = {name: part for name, part in given.items() if not name.startswith(PAST)}
        names = sorted(fresh.keys() & set(self.parts or fresh))
        _check(names, fresh, data)
        past = {name: given[f"{PAST}{name}"] for name in names if f"{PAST}{name}" in given}
        weights: F64 = np.full(len(names), 1 / len(names))
        report: dict[str, object] = {"learnt": False}
        if run.validation is not None and len(past) == len(names):
            weights, report = self._learn(past, run)
        of = {name: round(float(w), 6) for name, w in zip(names, weights, strict=True)}
        used = {name: fresh[name] for name in names if of[name] > 0}
        inputs = Index.of(column for part in used.values() for column in part.inputs.ids)
        scorer = BlendScorer(data.space, used, {name: of[name] for name in used}, self.scale, inputs)
        return Fitted(scorer, report={**report, "weights": of})

    def _learn(self, past: Mapping[str, Scorer], run: Run) -> tuple[F64, dict[str, object]]:
        assert run.validation is not None
        sample = draw(past, run.validation, self.scale, run)
        weights = learn(sample, run)
        alone = np.eye(len(past))
        return weights, {
            "learnt": True,
            "n_customers": len(sample.top),
            "mean_log_rank": mean_log_rank(sample, weights),
            "parts_alone": {name: mean_log_rank(sample, w) for name, w in zip(past, alone, strict=True)},
        }


def _check(names: list[str], fresh: Mapping[str, Scorer], data: Dataset) -> None:
    if not names:
        raise FitError("blend", got="no fitted part", wanted="at least one", cure="Enter the contenders of `parts`.")
    for name in names:
        if fresh[name].space.products.digest != data.space.products.digest:
            raise FitError("blend", got=f"the part {name} of another catalogue", wanted="parts fitted on the same data")
