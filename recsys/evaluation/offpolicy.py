"""What another policy would have earned, from a log of what this one did.

Every estimate is a mean, or a ratio of means, of terms known per exposure; so one pass adds the terms up per group of
visitors, sums of chunks add up to the sums of the whole, and memory does not grow with the log. Visitors are hashed
into `GROUPS` groups and the groups, not the exposures, are the sampling units of every interval (the random-groups
form of the cluster-robust variance: Wolter, Introduction to Variance Estimation, ch. 2).

w = target / propensity, r = outcome, q = modelled outcome of the logged arm, v = sum over arms of target x q.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from recsys.contract import F64, I64, Flags
from recsys.errors import DataError, EmptyError
from recsys.evaluation.exposures import Exposures
from recsys.evaluation.gate import Diagnostics, Gate, Status, judge
from recsys.evaluation.targets import Target, seen_at

GROUPS = 1000
Method = Literal["ips", "snips", "dm", "dr", "sndr", "switch", "dros", "replay", "sips", "iips", "rips", "cascade_dr"]


@dataclass(frozen=True)
class Settings:
    """How heavy weights are treated, and when the answer is refused."""

    switch: float = 10.0  # weights above it use the model instead (SWITCH, Wang, Agarwal & Dudik 2017)
    shrinkage: float = 10.0  # DRos: w becomes w x shrinkage / (w^2 + shrinkage) (Su et al. 2020)
    level: float = 0.95
    gate: Gate = field(default_factory=Gate)


@dataclass(frozen=True)
class Predictions:
    """What a reward model says, each [n]: of the logged arm, and of the target's draw (sum over arms)."""

    logged: F64
    target: F64


@dataclass(frozen=True)
class Sums:
    """Everything an evaluation needs of any number of exposures; `a + b` is the sums of both."""

    groups: F64  # [GROUPS, 9]: n, w, w^2, r, w r, v, w (r - q), switch, dros
    max_weight: float
    min_propensity: float
    below_floor: int
    unseen: float  # sum over exposures of target probability on arms never shown
    modelled: bool

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.groups + other.groups,
            max(self.max_weight, other.max_weight),
            min(self.min_propensity, other.min_propensity),
            self.below_floor + other.below_floor,
            self.unseen + other.unseen,
            self.modelled and other.modelled,
        )


@dataclass(frozen=True)
class Estimate:
    """A policy's mean outcome per exposure (per slate for the slate methods), its interval, and whether to use it."""

    method: Method
    value: float
    se: float
    low: float
    high: float
    n: int
    status: Status = "ok"
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """All estimates of one target on one log; `log` is what the logging policy itself earned."""

    log: Estimate
    estimates: tuple[Estimate, ...]
    diagnostics: Diagnostics
    status: Status
    reasons: tuple[str, ...]

    def __getitem__(self, method: Method) -> Estimate:
        """The estimate of one method; KeyError when it was not made."""
        return {e.method: e for e in self.estimates}[method]


def evaluate(
    log: Exposures, target: Target, model: Predictions | None = None, settings: Settings = Settings()
) -> Evaluation:
    """Judge a target policy on a log in memory. Raises DataError where they do not fit."""
    seen = seen_at(log, int(log.position.max()))
    counts = np.bincount(log.position - 1, minlength=len(seen)).astype(np.float64)
    unseen = target.unseen(seen, counts) * len(log)
    return summarise(add_up(log, target.logged(log), model, settings, unseen), settings)


def evaluate_logged(log: Exposures, target: F64, settings: Settings = Settings()) -> Evaluation:
    """Judge a policy known only by its probability of each logged choice, `target` [n]: IPS and SNIPS."""
    return summarise(add_up(log, target, None, settings), settings)


def add_up(
    log: Exposures,
    target: F64,
    model: Predictions | None = None,
    settings: Settings = Settings(),
    unseen: float = 0.0,
) -> Sums:
    """The sums of one chunk.

    `target` [n] is the target's probability of the logged arm, `unseen` the sum over the chunk's exposures of the
    target's probability on arms the log never shows. Raises DataError for a target outside [0, 1].
    """
    _check_target(log, target, model)
    w, r = target / log.propensity, log.outcome
    q, v = (np.zeros_like(r), np.zeros_like(r)) if model is None else (model.logged, model.target)
    group = group_of(log.visitor)
    kept = np.where(w <= settings.switch, w, 0.0)
    shrunk = w * settings.shrinkage / (w**2 + settings.shrinkage)
    terms = (np.ones_like(r), w, w * w, r, w * r, v, w * (r - q), v + kept * (r - q), v + shrunk * (r - q))
    groups = np.stack([per_group(group, term) for term in terms], axis=1)
    return Sums(
        groups,
        max_weight=float(w.max()),
        min_propensity=float(log.propensity.min()),
        below_floor=int((log.propensity < settings.gate.floor).sum()),
        unseen=float(unseen),
        modelled=model is not None,
    )


def summarise(sums: Sums, settings: Settings = Settings()) -> Evaluation:
    """Estimates, diagnostics and the gate's verdict. Raises EmptyError for sums of nothing."""
    if not sums.groups[:, 0].any():
        raise EmptyError("Nothing was added up", wanted="at least one exposure")
    diagnostics = diagnose(sums)
    status, reasons = judge(diagnostics, settings.gate)
    estimates = tuple(
        _weighted(sums, method, settings, status, reasons)
        for method in ("ips", "snips", "dr", "sndr", "switch", "dros")
        if sums.modelled or method in ("ips", "snips")
    )
    if sums.modelled:
        estimates += (_modelled(sums, settings, status),)
    return Evaluation(_logged(sums, settings), estimates, diagnostics, status, reasons)


def diagnose(sums: Sums) -> Diagnostics:
    """Effective sample size (Kish), mean and largest weight, support, propensity floor."""
    n, w, ww = sums.groups[:, :3].sum(axis=0)
    mean, se = ratio(sums.groups[:, 1], sums.groups[:, 0])
    ess = w * w / ww if ww else 0.0
    return Diagnostics(
        n=int(n),
        groups=int((sums.groups[:, 0] > 0).sum()),
        ess=ess,
        ess_share=ess / n,
        mean_weight=mean,
        mean_weight_se=se,
        max_weight=sums.max_weight,
        max_share=sums.max_weight / w if w else 1.0,
        min_propensity=sums.min_propensity,
        below_floor=sums.below_floor,
        unseen=sums.unseen / n,
    )


def replay(log: Exposures, chosen: I64, arms: int | None = None, settings: Settings = Settings()) -> Estimate:
    """Mean outcome of the exposures where the target's choice [n] equals the logged arm (Li et al. 2011).

    Honest only on uniformly random traffic: refused unless every propensity is 1 / arms.
    """
    k = len(log.arms) if arms is None else arms
    reasons: list[str] = []
    if not np.allclose(log.propensity * k, 1, rtol=1e-6):
        reasons.append(f"the log was not drawn uniformly from {k} arms: use SNIPS or DR, which weigh the difference")
    match = chosen == log.arm
    if not match.any():
        reasons.append("the target never chooses what the log shows")
        return Estimate("replay", np.nan, np.nan, np.nan, np.nan, 0, "refused", tuple(reasons))
    group = group_of(log.visitor)
    total, count = per_group(group, match * log.outcome), per_group(group, match * 1.0)
    value, se = ratio(total, count)
    status: Status = "refused" if reasons else "ok"
    return interval("replay", value, se, int(match.sum()), settings, status, tuple(reasons))


def group_of(visitor: I64) -> I64:
    """Group of each visitor key, [n] in [0, GROUPS): the finaliser of SplitMix64, the same on every machine."""
    x = visitor.astype(np.uint64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) % np.uint64(GROUPS)).astype(np.int64)


def interval(
    method: Method, value: float, se: float, n: int, settings: Settings, status: Status, reasons: tuple[str, ...]
) -> Estimate:
    """A normal interval around `value`."""
    from scipy.special import ndtri

    half = float(ndtri(0.5 + settings.level / 2)) * se
    return Estimate(method, value, se, value - half, value + half, n, status, reasons)


def _check_target(log: Exposures, target: F64, model: Predictions | None) -> None:
    wrong: Flags = ~((target >= 0) & (target <= 1 + 1e-9))
    if target.shape != log.propensity.shape or wrong.any():
        got = target[wrong][0].item() if target.shape == log.propensity.shape else f"shape {target.shape}"
        raise DataError(
            "The target policy", got=got, wanted=f"a probability in [0, 1] for each of {len(log):,} exposures"
        )
    for name in ("logged", "target") if model is not None else ():
        if not np.isfinite(getattr(model, name)).all():
            raise DataError(f"The reward model's {name} predictions", got="NaN or infinity", wanted="finite numbers")


def per_group(group: I64, term: F64) -> F64:
    """[GROUPS] sums of a term [n] over the groups of its rows."""
    return np.bincount(group, weights=term, minlength=GROUPS).astype(np.float64)


def ratio(top: F64, bottom: F64) -> tuple[float, float]:
    """Ratio of two totals over groups and its linearised standard error; NaN where the bottom is empty."""
    if bottom.sum() == 0:
        return float("nan"), float("nan")
    share, used = top.sum() / bottom.sum(), max(int((bottom > 0).sum()), 2)
    residual = top - share * bottom
    return float(share), float(np.sqrt(used / (used - 1) * (residual**2).sum()) / bottom.sum())


def _weighted(sums: Sums, method: Method, settings: Settings, status: Status, reasons: tuple[str, ...]) -> Estimate:
    n, w, _, _, wr, v, we, switch, dros = sums.groups.T
    if method == "sndr":  # a sum of two ratios with different denominators
        total, weight = n.sum(), w.sum()
        value = v.sum() / total + we.sum() / weight
        residual = (v - v.sum() / total * n) / total + (we - we.sum() / weight * w) / weight
        used = max(int((n > 0).sum()), 2)
        se = float(np.sqrt(used / (used - 1) * (residual**2).sum()))
    else:
        ratios = {"ips": (wr, n), "snips": (wr, w), "dr": (v + we, n), "switch": (switch, n), "dros": (dros, n)}
        value, se = ratio(*ratios[method])
    if method in ("switch", "dros"):  # see _modelled
        se, reasons = max(se, ratio(v + we, n)[1]), (*reasons, "biased by design: the interval leaves the bias out")
    return interval(method, float(value), se, int(n.sum()), settings, status, reasons)


def _modelled(sums: Sums, settings: Settings, status: Status) -> Estimate:
    """DM with the standard error of DR.

    The model was learnt from this very log, so its opinion varies from log to log as the efficient influence function
    v + w (r - q) does, not as v alone, which hardly varies when the target is the same for everybody.
    """
    n, _, _, _, _, v, we, _, _ = sums.groups.T
    value, _ = ratio(v, n)
    verdict: Status = "ok" if status == "ok" else "warned"
    reasons: tuple[str, ...] = ("the interval leaves out the bias of the model",)
    if status != "ok":
        reasons += ("rests on the reward model alone: the log cannot check it for this target",)
    return interval("dm", value, ratio(v + we, n)[1], int(n.sum()), settings, verdict, reasons)


def _logged(sums: Sums, settings: Settings) -> Estimate:
    value, se = ratio(sums.groups[:, 3], sums.groups[:, 0])
    return interval("ips", value, se, int(sums.groups[:, 0].sum()), settings, "ok", ())
