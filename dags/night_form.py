"""When the night runs, and what a person may set when triggering it by hand."""

from __future__ import annotations

from typing import Any

from airflow.sdk import CronTriggerTimetable, Param

from recsys.config import Settings

WHAT, HOW = "Which night", "How it is run"
LONGER = 4  # times the usual budget that may be asked for by hand
PROMOTION = {
    "auto": "auto: the evidence decides",
    "approve": "approve: a person is asked before a winner replaces the champion",
    "off": "off: judge and publish, keep the champion",
}


def form(settings: Settings) -> dict[str, Param]:
    """The trigger form: titled, in sections, validated before a run is made."""
    names = list(settings.entered())
    minutes = max(1, round(settings.night.fit_seconds / 60))
    return {
        "as_of": Param(
            None,
            type=["null", "string"],
            format="date",
            title="As-of day",
            section=WHAT,
            description="The last day the models may know. Empty: the last full day in the data.",
        ),
        "contenders": Param(
            names,
            type="array",
            items={"type": "string", "enum": names},
            minItems=1,
            examples=names,
            title="Contenders",
            section=WHAT,
            description="Who is trained and judged. The champion takes part even when it is not chosen.",
        ),
        "minutes": Param(
            minutes,
            type="integer",
            minimum=1,
            maximum=LONGER * minutes,
            title="Minutes per fit",
            section=HOW,
            description="A contender that needs longer is stopped and counts as failed; the others go on.",
        ),
        "promotion": Param(
            settings.night.promotion,
            type="string",
            enum=list(PROMOTION),
            values_display=PROMOTION,
            title="Promotion",
            section=HOW,
            description="May this night replace the champion?",
        ),
        "tune": Param(
            False,
            type="boolean",
            title="Tune settings",
            section=HOW,
            description=f"Search each contender's settings for {settings.night.tune_seconds:g} s before it is judged.",
        ),
    }


def schedule(settings: Settings) -> Any:
    """Every night once `scheduled = true` in [night]; until then only when triggered or backfilled."""
    night = settings.night
    if night.scheduled:
        return CronTriggerTimetable(night.schedule, timezone=night.timezone, run_immediately=False)
    try:
        from recsys_ui.nights import OnDemand
    except ImportError:  # an Airflow without our plugins folder: triggered by hand alone
        return None
    return OnDemand(night.schedule, timezone=night.timezone)
