"""What a blend is given: every part fitted on the whole of a dataset, and again without its validation rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recsys.config import Settings
from recsys.contest.record import Record
from recsys.contract import Dataset, Part
from recsys.data.lake import Lake, ref_from
from recsys.data.split import validation_split
from recsys.errors import ConfigError
from recsys.models import catalog

FitPart = Callable[[str, Record, bool], Record]  # (contender, dataset, may it start warm?) -> its record


def is_blend(settings: Settings, name: str) -> bool:
    """Does this contender join others?"""
    return Part.PARTS in catalog.load(settings.contenders[name].family).needs


def check_blends(settings: Settings, entered: Sequence[str]) -> None:
    """Raises ConfigError before the night begins when a blend names parts that are not there."""
    for name in entered:
        if is_blend(settings, name):
            parts_of(settings, name, entered)


def parts_of(settings: Settings, name: str, entered: Sequence[str]) -> list[str]:
    """The contenders a blend joins, by default all others entered; raises ConfigError on an unknown or a blend."""
    single = [n for n in settings.contenders if not is_blend(settings, n)]
    wanted = list(settings.contenders[name].settings.get("parts") or [n for n in entered if n in single])
    wrong = [n for n in wanted if n not in single]
    if wrong or not wanted:
        raise ConfigError(
            f"[contenders.{name}] parts", got=", ".join(wrong) or "none", wanted=f"some of {', '.join(single)}"
        )
    return wanted


def lend(lake: Lake, names: Sequence[str], dataset: Record, fit_part: FitPart) -> dict[str, Record]:
    """Scorers by name, `past:NAME` fitted without what `validation_split` hides; a part that fails is left out.

    The blend's own fit hides the same rows, so its weights come from purchases no past part has seen, and all of them
    lie before the dataset's as-of: in a backtest nothing of the held-out days reaches a blend.
    """
    folder = f"blends/{dataset['sha256']}"

    def make() -> Record:
        past = validation_split(lake.read_value(Dataset, ref_from(dataset))).train
        return lake.put_value(f"{folder}/past.safetensors", past).json()

    past: Record = lake.once(f"{folder}/past.json", make)
    lent: dict[str, Record] = {}
    for name in names:
        fresh, earlier = fit_part(name, dataset, True), fit_part(name, past, False)
        if fresh["status"] == earlier["status"] == "ok":
            lent |= {name: fresh["scorer"], f"past:{name}": earlier["scorer"]}
    return lent
