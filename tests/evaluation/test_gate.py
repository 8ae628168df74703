"""Every line of the gate closes alone."""

from __future__ import annotations

import dataclasses

import pytest

from recsys.evaluation.gate import Diagnostics, judge

FINE = Diagnostics(
    n=10_000, groups=1000, ess=4000, ess_share=0.4, mean_weight=1.001, mean_weight_se=0.01, max_weight=9.0,
    max_share=0.001, min_propensity=0.01, below_floor=0, unseen=0.0,
)  # fmt: skip


def test_a_sound_log_passes() -> None:
    assert judge(FINE) == ("ok", ())


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"ess_share": 0.0499}, "refused", "effective sample size is 4.99%"),
        ({"ess_share": 0.05}, "warned", "effective sample size is only 5.00%"),
        ({"ess_share": 0.10}, "ok", ""),
        ({"mean_weight": 1.11, "mean_weight_se": 0.1}, "refused", "mean weight is 1.110"),
        ({"mean_weight": 0.95, "mean_weight_se": 0.01}, "refused", "more than 3 standard errors"),
        ({"mean_weight": 1.005, "mean_weight_se": 0.001}, "warned", "more than 3 standard errors"),
        ({"mean_weight": 0.95, "unseen": 0.05}, "warned", "nobody saw"),
        ({"mean_weight": 0.80, "unseen": 0.20}, "refused", "20.0% of the target's choices are arms nobody saw"),
        ({"max_share": 0.05}, "refused", "one exposure carries 5.0%"),
        ({"below_floor": 3, "min_propensity": 1e-6}, "warned", "3 propensities lie below 0.0001"),
        ({"groups": 12}, "warned", "only 12 groups"),
    ],
)
def test_one_line_closes(change: dict[str, float], status: str, words: str) -> None:
    found, reasons = judge(dataclasses.replace(FINE, **change))
    assert found == status
    assert len(reasons) == (0 if status == "ok" else 1)
    assert words in "".join(reasons)
