"""What a night is asked to do, checked before anything is done."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from recsys.config import Settings
from recsys.errors import StoreError, UsageError
from recsys.models import catalog
from recsys.publication import Standing

PROMOTIONS = ("auto", "approve", "off")
FIRST_NIGHT_BYTES = 2**28


def chosen(names: Any, settings: Settings, now: Standing) -> list[str]:
    """Contenders of this night in the order of recsys.toml; raises UsageError or ConfigError for a wrong one.

    The champion and whoever was promoted by hand are always in the contest, ticked or not.
    """
    entered = list(settings.entered())
    asked = list(names) if names else entered
    unknown = [n for n in asked if n not in settings.contenders]
    if unknown or not asked:
        known = ", ".join(settings.contenders) or "a [contenders.NAME] table in recsys.toml"
        raise UsageError("Contenders", got=", ".join(unknown) or "none", wanted=f"some of {known}")
    always = {now.champion, now.wanted}
    found = [n for n in settings.contenders if n in asked or n in always]
    for name in found:
        catalog.enter(settings.contenders[name].family, settings.contenders[name].settings)
    return found


def promotion(asked: Any, settings: Settings) -> str:
    """auto, approve or off; raises UsageError for anything else."""
    said = str(asked or settings.night.promotion)
    if said not in PROMOTIONS:
        raise UsageError("promotion", got=said, wanted=f"one of {', '.join(PROMOTIONS)}")
    return said


def as_of(params: Mapping[str, Any]) -> str | None:
    """The as-of day asked for: the parameter, or the day before the schedule's time."""
    if params.get("as_of"):
        try:
            return date.fromisoformat(str(params["as_of"])).isoformat()
        except ValueError:
            raise UsageError("as_of", got=params["as_of"], wanted="a day like 2011-12-08") from None
    due = params.get("due")
    return date.fromordinal(datetime.fromisoformat(due).date().toordinal() - 1).isoformat() if due else None


def check_space(lake: str) -> None:
    """A night that would fill the disk is not begun: twice the lake's last generation must be free.

    A bucket has no end that could be asked for.
    """
    if "://" in lake:
        return
    base = Path(lake)
    newest = max(base.glob("generations/gen-*"), default=None)
    needed = 2 * sum(f.stat().st_size for f in newest.iterdir()) if newest else FIRST_NIGHT_BYTES
    probe = next(p for p in (base, *base.parents) if p.exists())
    free = shutil.disk_usage(probe).free
    if free < needed:
        raise StoreError(
            f"{base} is nearly full",
            got=f"{free / 2**20:,.0f} MB free",
            wanted=f"{needed / 2**20:,.0f} MB",
            cure="Free space, then run again; what is published is untouched.",
        )
