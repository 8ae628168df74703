"""What visitors said: running tests, off-policy estimates, the bandit's shares and what learning has cost."""

from __future__ import annotations

from typing import Any

from recsys.data.lake import ref_from
from recsys.evaluation import offpolicy
from recsys.report.figures import Mark, intervals, lines
from recsys.report.page import Page
from recsys.report.tables import (
    Column,
    bullets,
    confidence,
    count,
    fold,
    heading,
    interval,
    join,
    number,
    paragraph,
    share,
    table,
)

TITLE = "What visitors said"
RUNGS = {"offline": "Offline", "off_policy": "Off-policy", "ab": "A/B test", "vetoes": "Vetoed tonight"}


def build(page: Page) -> str | None:
    """One sentence where no exposures were handed over."""
    facts = page.facts.get("experiments", {})
    if not facts:
        return None
    if facts.get("reason"):
        cure = " docs/evidence.md says which columns [exposures] needs." if facts["status"] == "ok" else ""
        return paragraph(f"{facts['reason']}{cure}")
    return join(_refused(facts), _ladder(facts), _tests(page, facts), _off_policy(page, facts), _bandit(page, facts))


def rows_of(page: Page, facts: Any, name: str) -> list[dict[str, Any]]:
    """Rows of one of the night's tables; none where it was not made."""
    ref = facts.get("tables", {}).get(name)
    return page.lake.read_frame(ref_from(ref)).to_dicts() if ref else []


def _refused(facts: Any) -> str | None:
    """Files of tonight that stayed outside while older exposures are read."""
    if not facts.get("refused"):
        return None
    said = "Exposures handed over tonight were refused; what follows rests on those that came before."
    return join(paragraph(said, "lead"), bullets(facts["refused"]))


def _ladder(facts: Any) -> str:
    rungs = facts.get("rungs", {})
    rows = [(title, rungs.get(name)) for name, title in RUNGS.items()]
    return join(
        paragraph("A promotion climbs three rungs; each that has data can veto it.", "soft"),
        table("The ladder of evidence", ["Rung", Column("What it had tonight", words=True)], rows),
    )


def _tests(page: Page, facts: Any) -> str | None:
    found = facts.get("tests", {})
    if found.get("status") != "ok":
        return paragraph(f"A/B tests: {found.get('reason', 'none')}")
    rows = rows_of(page, facts, "tests")
    return join(heading("A/B tests"), *(_test(name, told, rows) for name, told in found["read"].items()))


def _test(name: str, told: Any, rows: list[dict[str, Any]]) -> str:
    if told["status"] == "refused":
        return join(paragraph(f"{name}: refused, nothing is compared and nobody wins."), bullets(told["reasons"]))
    arms = ", ".join(f"{arm['name']} {arm['visitors']:,}" for arm in told["arms"])
    verdict = told["verdict"]
    winner = f"winner {verdict['winner']}" if verdict["winner"] else "no winner"
    why, level = "; ".join(verdict["reasons"]), float(told["level"])
    columns = [
        "Metric", "Arm", "Control", "Treatment", f"Difference [{confidence(level)}]",
        Column("p", tip="Holm over the arms"),
        Column("p, any time", tip="of the confidence sequence: may be read every day"),
    ]  # fmt: skip
    own = [row for row in rows if row["test"] == name]
    cells = [
        (r["metric"], r["arm"], number(r["control"]), number(r["treatment"]),
         interval(r["difference"], r["low"], r["high"], sign=True), number(r["p"], 3), number(r["p_any_time"], 3))
        for r in own
    ]  # fmt: skip
    deciding = [r for r in own if r["metric"] == told["metric"]]
    marks = [Mark(r["arm"], r["difference"], r["low"], r["high"]) for r in deciding]
    n = f"n = {arms} visitors"
    return join(
        paragraph(f"{name}: {winner} ({verdict['rule']}); {why}."),
        bullets(told["reasons"]) if told["reasons"] else None,
        intervals(f"{name}: {told['metric']} against {told['arms'][0]['name']}", marks, told["metric"], n, level=level),
        fold(f"Every metric of {name}", table(f"{name}, {n}", columns, cells)),
    )


def _off_policy(page: Page, facts: Any) -> str | None:
    found = facts.get("off_policy", {})
    if found.get("status") != "ok":
        return paragraph(f"Off-policy estimates: {found.get('reason', 'none')}")
    rows, unit, level = rows_of(page, facts, "off_policy"), found["unit"], offpolicy.Settings.level
    left = found.get("left_out", {})
    n = f"n = {found['exposures']:,} exposures"
    known = [r for r in rows if r["estimate"] is not None]
    marks = [Mark(r["contender"], r["estimate"], r["low"], r["high"]) for r in known]
    cells = [
        (r["contender"], interval(r["estimate"], r["low"], r["high"]), count(r["n"]), share(r["ess_share"]),
         r["status"], r["reasons"])
        for r in rows
    ]  # fmt: skip
    columns = [
        "Contender", f"Outcome per {unit} [{confidence(level)}]", "n",
        Column("ESS", tip="effective share of the exposures"), "Gate", Column("Why", words=True),
    ]  # fmt: skip
    return join(
        heading("Off-policy: what a contender would have earned on what was shown"),
        intervals(f"Outcome per {unit}", marks, f"outcome per {unit}", n, level=level),
        table("Off-policy estimates of the backtested contenders", columns, cells),
        bullets(f"{name} is left out: {why}" for name, why in left.items()) if left else None,
    )


def _bandit(page: Page, facts: Any) -> str | None:
    found = facts.get("bandit", {})
    if found.get("status") != "ok":
        return paragraph(f"Bandit: {found.get('reason', 'none')}")
    arms = found["arms"]
    cells = [(row["scope"], *(share(row[arm]) for arm in arms)) for row in rows_of(page, facts, "allocation")]
    curve = rows_of(page, facts, "regret")
    series = {
        name: [(float(row["slates"]), float(row[key])) for row in curve]
        for name, key in (("lost", "lost"), ("lowest, 95 %", "low"), ("highest, 95 %", "high"))
    }
    use = "tomorrow's traffic" if found["decides"] else "what it would choose; recsys.toml leaves traffic alone"
    days = f"n = {curve[-1]['slates']:,} slates, {len(curve)} days" if curve else ""
    return join(
        heading("Bandit"),
        paragraph(f"{found['policy']}, {share(found['floor'], 0)} kept for exploration: {use}."),
        bullets(found["notes"]) if found.get("notes") else None,
        table("Share of traffic per arm", ["Scope", *arms], cells),
        lines("Regret: lost so far by not always showing the best arm", series, ("slates", "outcomes lost"), days),
    )
