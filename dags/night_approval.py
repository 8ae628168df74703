"""A person is asked before a champion is replaced, if the night was told to ask; silence keeps the champion."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator

from recsys.config import Settings

PROMOTE, KEEP = "Promote", "Keep the champion"


class AskPromotion(HITLOperator):
    """Waits for an answer where the decision proposes somebody; passes at once where it does not."""

    template_fields = (*HITLOperator.template_fields, "decision")

    def __init__(self, *, decision: Any, primary: str, track: str, **kwargs: Any) -> None:
        super().__init__(subject="A new champion?", options=[PROMOTE, KEEP], defaults=[KEEP], **kwargs)
        self.decision, self.primary, self.track = decision, primary, track

    def execute(self, context: Any) -> Any:
        """{"answer": "none"} without a proposal; else the run waits under Required Actions."""
        proposal = self.decision.get("proposal")
        if not proposal:
            return {"answer": "none", "by": ""}
        self.subject = f"Shall {proposal} replace {self.decision['champion']}?"
        self.body = question(self.decision, self.primary, self.track)
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, str]:
        """The answer and who gave it; nobody, when the deadline answered."""
        told = super().execute_complete(context, event)
        by = told["responded_by_user"]
        name = (by.get("name") or by.get("id") if isinstance(by, dict) else by) or ""
        return {"answer": "promote" if told["chosen_options"] == [PROMOTE] else "keep", "by": str(name)}


def ask(settings: Settings, decision: Any) -> Any:
    """The task that asks about a decision's proposal; its output is the answer."""
    contest, hours = settings.contest, settings.night.approve_hours
    wait = timedelta(hours=hours)
    return AskPromotion(
        task_id="approval", decision=decision, primary=contest.primary, track=contest.track, response_timeout=wait
    ).output


def question(decision: dict[str, Any], primary: str, track: str) -> str:
    """The evidence and the leaderboard, in Markdown."""
    lines = [*decision["reasons"][1:], "", f"| contender | {primary} | interval |", "|---|---|---|"]
    for row in decision["leaderboard"]:
        found = row.get("tracks", {}).get(track, {}).get("metrics", {}).get(primary, {})
        name = str(row["name"]).replace("|", "\\|")
        role = {decision["champion"]: " (champion)", decision["proposal"]: " **(proposed)**"}.get(row["name"], "")
        mean, ends = "n/a", str(row["status"])
        if found.get("mean") is not None:
            mean, ends = f"{found['mean']:.4f}", f"{found['low']:.4f} to {found['high']:.4f}"
        lines.append(f"| {name}{role} | {mean} | {ends} |")
    return "\n".join(lines)
