"""`recsys tune`: search the settings of contenders on a validation split of the past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from recsys.config import Contender, Settings
    from recsys.contest.tune import Terms, Trial, Tuned
    from recsys.contract import Dataset


def register(app: typer.Typer) -> None:
    app.command("tune")(tune)


def tune(
    train: Annotated[
        str | None,
        typer.Argument(
            help="Rows to learn from: user,item[,timestamp,weight]; default: the shop's orders before the backtest."
        ),
    ] = None,
    contenders: Annotated[
        str, typer.Option(help="Names, comma separated; default: all that are ticked and can be tuned.")
    ] = "",
    config: Annotated[
        str | None, typer.Option(help="recsys.toml; default without TRAIN: $RECSYS_CONFIG or ./recsys.toml.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Budget of each contender.", min=1)] = 60,
    trials: Annotated[int | None, typer.Option(help="So many fits per contender instead: reproducible.", min=1)] = None,
    only: Annotated[str, typer.Option(help="Search these settings only, comma separated.")] = "",
    metric: Annotated[
        str, typer.Option(help="What is compared, like ndcg_at_10 or recall_at_20; default: [contest] primary.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Seed of the search and of every fit.")] = 0,
    out: Annotated[
        str | None, typer.Option(help="Write the best settings as a part of recsys.toml to this file.")
    ] = None,
    trail: Annotated[str | None, typer.Option("--json", help="Write every trial to this file.")] = None,
) -> None:
    """Search the settings of contenders; the test is never looked at.

    The newest tenth of each customer's products is hidden from every fit and ranked afterwards. The first trial is the
    contender as it stands. Best settings go to --out and to MLflow.

    Example: recsys tune train.csv --contenders als,ease --trials 20 --out best.toml
    """
    from recsys.cli.entered import entered
    from recsys.cli.output import result_file, write_json, write_text
    from recsys.config import load
    from recsys.contest.tune import fragment, ground
    from recsys.contest.tune import tune as search

    best, every = result_file(out), result_file(trail)
    settings = load(config) if config or not train else None
    spaces = _spaces(entered(settings, contenders), only, everything=not contenders)
    terms = _terms(settings, metric, seconds, trials, seed)
    data, about = _past(settings, train)
    with ground(data, seed) as where:
        typer.echo(f"{about}; {len(where.exam.queries):,} customers are judged on {terms.metric}", err=True)
        found = [search(name, c, space, where, terms, _tell) for name, (c, space) in spaces.items()]
    text = fragment(found)
    if best:
        write_text(best, text)
    write_json(every, {"contenders": [tuned.json() for tuned in found]})
    typer.echo(text, nl=False)
    if settings is not None:
        typer.echo(_remember(settings, found, about), err=True)


def _spaces(chosen: Mapping[str, Contender], only: str, *, everything: bool) -> dict[str, tuple[Contender, Any]]:
    """Contenders with what may be searched of them; `everything` leaves out what cannot be tuned."""
    from recsys.contest.spaces import can_tune, space_of

    words = [word.strip() for word in only.split(",") if word.strip()]
    kept = {name: c for name, c in chosen.items() if can_tune(c.family) or not everything}
    return {name: (c, space_of(name, c, words)) for name, c in kept.items()}


def _terms(settings: Settings | None, metric: str, seconds: float, trials: int | None, seed: int) -> Terms:
    from recsys.config import Contest
    from recsys.contest.tune import Terms

    terms = Terms(metric_of(metric or (settings.contest if settings else Contest()).primary), seconds, trials, seed)
    if settings is None:
        return terms
    return replace(terms, fit_seconds=settings.night.fit_seconds, memory_mb=settings.night.fit_memory_mb)


def metric_of(name: str) -> str:
    """`ndcg@10` or `ndcg_at_10` as ndcg_at_10; raises UsageError where it is not measured."""
    from recsys.config import PRIMARY
    from recsys.errors import UsageError

    kind, _, k = name.replace("@", "_at_").rpartition("_at_")
    if kind not in PRIMARY or not k.isdigit() or int(k) < 1:
        raise UsageError("--metric", got=name, wanted=f"one of {', '.join(PRIMARY)} followed by _at_10 or the like")
    return f"{kind}_at_{int(k)}"


def _past(settings: Settings | None, train: str | None) -> tuple[Dataset, str]:
    """What may be learnt from, and what it is in words."""
    if train:
        from recsys.data.pairs import train_set

        return train_set(train), Path(train).name
    from recsys.contest.tuned import past_of_shop
    from recsys.data.lake import Lake

    assert settings is not None
    return past_of_shop(settings, Lake(settings.lake_root))


def _tell(name: str, trial: Trial) -> None:
    """A line per trial on stderr."""
    value = trial.reason if trial.value is None else f"{trial.value:.4f}"
    said = "as it stands" if trial.number == 0 else ", ".join(f"{k} {v}" for k, v in trial.settings.items())
    typer.echo(f"  {name:<24} trial {trial.number:<3} {trial.seconds:6.1f} s  {value}  {said}", err=True)


def _remember(settings: Settings, found: list[Tuned], about: str) -> str:
    from recsys.contest.tune import fragment
    from recsys.tracking.tuning import log_searches

    return log_searches(settings, [{**tuned.json(), "fragment": fragment([tuned])} for tuned in found], about)
