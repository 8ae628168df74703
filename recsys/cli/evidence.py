"""`recsys ope`, `recsys ab plan`, `recsys ab read`: evidence from plain files, for people and as JSON."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from recsys.evaluation.abplan import Plan
    from recsys.evaluation.abread import Reading
    from recsys.evaluation.offpolicy import Estimate
    from recsys.evaluation.ope import Answer

Json = Annotated[Path | None, typer.Option("--json", help="Also write everything as JSON to this file.")]


class Metric(StrEnum):
    """What a test compares: a share of visitors, or a mean (basket size, revenue)."""

    conversion = "conversion"
    mean = "mean"


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    tests = typer.Typer(help="Plan and read A/B tests.", no_args_is_help=True)
    tests.command("plan")(plan_command)
    tests.command("read")(read_command)
    app.add_typer(tests, name="ab")
    app.command("ope")(ope_command)


def ope_command(
    log: Annotated[Path, typer.Argument(help="Exposure log, CSV or Parquet: docs/evidence.md names the columns.")],
    policy: Annotated[str, typer.Option(help="File with the target's probabilities, or `uniform`.")],
    action: Annotated[
        str, typer.Option(help="What the target chooses: product or arm. Default: product if there.")
    ] = "",
    level: Annotated[float, typer.Option(help="Confidence of the intervals.")] = 0.95,
    out: Json = None,
) -> None:
    """What another policy would have earned on this log, and whether the log can tell."""
    from recsys.cli.output import result_file, write_json
    from recsys.errors import UsageError
    from recsys.evaluation.offpolicy import Settings
    from recsys.evaluation.ope import answer

    file = result_file(out)
    if action not in ("", "product", "arm"):
        raise UsageError("ope --action", got=action, wanted="product or arm")
    if not 0 < level < 1:
        raise UsageError("ope --level", got=level, wanted="a share between 0 and 1")
    found = answer(log, policy, action, Settings(level=level))
    write_json(file, found)
    for line in describe_answer(found):
        typer.echo(line)


def plan_command(
    base: Annotated[float, typer.Option(help="Conversion of the control (3 % is 0.03), or its mean.")],
    lift: Annotated[float | None, typer.Option(help="Smallest relative change worth seeing: 0.1 is +10 %.")] = None,
    difference: Annotated[float | None, typer.Option(help="The same in units of --base, instead of --lift.")] = None,
    metric: Annotated[
        Metric, typer.Option(help="mean needs --sd (basket size, revenue per visitor).")
    ] = Metric.conversion,
    sd: Annotated[float, typer.Option(help="Standard deviation between units, for a mean.")] = 0.0,
    arms: Annotated[int, typer.Option(help="Arms, the control among them.")] = 2,
    daily: Annotated[float | None, typer.Option(help="New visitors (or orders) a day, for the duration.")] = None,
    power: Annotated[float, typer.Option()] = 0.80,
    alpha: Annotated[float, typer.Option(help="Chance of any false winner.")] = 0.05,
    out: Json = None,
) -> None:
    """How many visitors a test needs, and how long that takes."""
    from recsys.cli.output import result_file, write_json
    from recsys.errors import UsageError
    from recsys.evaluation.abplan import Question, plan

    file = result_file(out)
    if (lift is None) == (difference is None):
        raise UsageError("ab plan", got="both or neither of --lift and --difference", wanted="one of them")
    effect = difference if difference is not None else base * (lift or 0.0)
    found = plan(Question(metric.value, base, effect, sd, arms, alpha, power), daily)
    write_json(file, found)
    for line in describe_plan(found):
        typer.echo(line)


def read_command(
    log: Annotated[Path, typer.Argument(help="A/B log, CSV or Parquet: docs/evidence.md names the columns.")],
    arms: Annotated[str, typer.Option(help="control=0.5,als=0.5: the control first. Default: equal shares.")] = "",
    metric: Annotated[str, typer.Option(help="The metric that decides. Default: conversion.")] = "",
    planned: Annotated[int, typer.Option(help="Planned visitors per arm (ab plan). 0: monitoring only.")] = 0,
    alpha: Annotated[float, typer.Option(help="Chance of any false winner.")] = 0.05,
    out: Json = None,
) -> None:
    """Who won, as far as this log can tell today."""
    from recsys.cli.output import result_file, write_json
    from recsys.evaluation.abdesign import Design
    from recsys.evaluation.abfile import read_visitors
    from recsys.evaluation.abread import read

    file = result_file(out)
    shares = _shares(arms)
    names, visitors = read_visitors(log, tuple(shares))
    each = tuple(shares.values()) or tuple(1 / len(names) for _ in names)
    found = read(visitors, Design(names, each, metric, planned, alpha))
    write_json(file, found)
    for line in describe_reading(found, assumed=not shares):
        typer.echo(line)


def describe_answer(found: Answer) -> list[str]:
    """The answer as lines for a person; refused estimates keep their number to themselves."""
    d, log = found.exposures.diagnostics, found.exposures.log
    lines = [
        f"{d.n:,} exposures, target chooses the {found.action}: {found.exposures.status}",
        *(f"  {reason}" for reason in found.exposures.reasons),
        *(f"  note: {note}" for note in found.notes),
        f"  effective sample {d.ess:,.0f} ({d.ess_share:.1%}), mean weight {d.mean_weight:.3f}, "
        f"largest weight {d.max_weight:.3g} ({d.max_share:.1%} of all), smallest propensity {d.min_propensity:.3g}",
        "",
        f"{'outcome per exposure':<24}{'estimate':>12}{'low':>12}{'high':>12}",
        _estimate("the log itself", log),
        *(_estimate(e.method, e) for e in found.exposures.estimates),
    ]
    if found.slates:
        lines += ["", f"{'outcome per slate':<24}{'estimate':>12}{'low':>12}{'high':>12}"]
        lines += [_estimate(e.method, e) for e in found.slates]
    return lines


def describe_plan(found: Plan) -> list[str]:
    """The plan as lines for a person."""
    q = found.question
    what = "conversion" if q.metric == "conversion" else "a mean"
    days = "" if found.days is None else f", {found.days} days"
    lines = [
        f"{found.per_arm:,} visitors per arm, {found.total:,} in {q.arms} arms{days}",
        f"  to see {what} move from {q.base:g} by {q.difference:+.4g} in {q.power:.0%} of tests, "
        f"with {q.alpha:.0%} chance of any false winner ({found.alpha_each:.3g} per comparison)",
        f"  ramp: {', '.join(f'{share:.0%} on day {day}' for day, share in enumerate(found.ramp, 1))}, then everybody",
        "",
        f"{'visitors per arm':>16}{'days':>8}{'could see':>14}{'lift':>10}",
    ]
    for point in found.curve:
        took = "" if point.days is None else str(point.days)
        lift = "" if point.lift is None else f"{point.lift:.1%}"
        lines.append(f"{point.per_arm:>16,}{took:>8}{point.difference:>14.4g}{lift:>10}")
    return lines


def describe_reading(found: Reading, assumed: bool = False) -> list[str]:
    """The reading as lines for a person."""
    shares = ", ".join(f"{arm.name} {arm.visitors:,} ({arm.share:.0%} planned)" for arm in found.arms)
    lines = [f"{found.status}: {shares}; sample ratio p = {found.srm_p:.3g}"]
    lines += [f"  {reason}" for reason in found.reasons]
    if assumed:
        lines.append("  note: shares were not given (--arms), so equal ones are assumed")
    metric = ""
    for row in found.comparisons:
        if row.metric != metric:
            metric = row.metric
            head = f"{'difference':>13}{'low':>12}{'high':>12}{'lift':>9}{'p (Holm)':>10}{'p, any time':>13}"
            lines += ["", f"{metric:<24}{'control':>12}{'arm':>12}{head}"]
        d = row.difference
        numbers = "".join(
            _number(x, w) for x, w in ((row.control, 12), (row.treatment, 12), (d.value, 13), (d.low, 12), (d.high, 12))
        )
        lift = "n/a" if d.lift is None or math.isnan(d.lift) else f"{d.lift:+.1%}"
        lines.append(
            f"  {row.arm:<22}{numbers}{lift:>9}{_number(row.adjusted_p, 10, 3)}{_number(row.sequence_p, 13, 3)}"
        )
    winner = found.verdict.winner or "nobody"
    lines += ["", f"winner: {winner}; {'; '.join(found.verdict.reasons)} ({found.verdict.rule})"]
    if found.verdict.tied:
        lines.append(f"tied: {', '.join(found.verdict.tied)}")
    if found.verdict.worse:
        lines.append(f"worse than the control: {', '.join(found.verdict.worse)}")
    return lines


def _shares(text: str) -> dict[str, float]:
    """control=0.5,als=0.5 as a dict in order; nothing for an empty text."""
    from recsys.errors import UsageError

    shares: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, _, share = part.rpartition("=")
        try:
            shares[name.strip()] = float(share)
        except ValueError:
            raise UsageError("ab read --arms", got=part, wanted="name=share, for example control=0.5,als=0.5") from None
    return shares


def _estimate(name: str, estimate: Estimate) -> str:
    if estimate.status == "refused":
        return f"  {name:<22}{'refused':>12}"
    numbers = "".join(_number(x, 12) for x in (estimate.value, estimate.low, estimate.high))
    return f"  {name:<22}{numbers}{'  warned' if estimate.status == 'warned' else ''}"


def _number(value: float, width: int, digits: int = 5) -> str:
    return f"{'n/a' if math.isnan(value) else format(value, f'.{digits}g'):>{width}}"
