from pathlib import Path
from typing import Any

from recsys.report.heatmap import heatmap
from recsys.report.page import Page, render
from recsys.report.sections.demand import build
from tests.report import nights

GATES = [
    {"name": "sign", "verdict": "passed", "found": 0.0, "wanted": "none upward", "words": "0 % go up"},
    {"name": "quantity discounts", "verdict": "failed", "found": 0.5, "wanted": "within 20 %",
     "words": "own elasticity -4.00 on all lines, -2.00 without bulk lines"},
]  # fmt: skip


def facts(page: Page) -> dict[str, Any]:
    """What the step leaves of a night with a logit that serves and a BLP that was refused."""
    cell = {"value": [-1.5, None], "low": [-1.9, None], "high": [-1.1, None]}
    tables = {
        "market": "north@2024-03-04",
        "products": ["~|hoodie", nights.EVIL], "shares": [0.1, 0.2], "own_elasticities": cell,
        "markups": cell, "consumer_surplus": {"value": 2.5, "low": 2.0, "high": 3.0},
        "willingness_to_pay": {"blue": {"value": 1.0, "low": 0.5, "high": 1.5}},
        "heat_maps": [{"by": "seller", "names": ["anna", "other"], "elasticities": [[-1.5, 0.2], [None, None]]}],
    }  # fmt: skip
    ref = page.lake.put_json("nights/demand/logit.json", tables).json()
    size = {
        "name": "market size",
        "verdict": "passed",
        "found": 0.1,
        "wanted": "within 15 %",
        "words": "own elasticity -1.40 at 0.5 x the people",
    }
    fit = {"family": "logit", "status": "ok", "reason": "", "gates": [GATES[0], size],
           "own_elasticity": {"mean": -1.6, "median": -1.5}}  # fmt: skip
    refused = {"family": "blp", "status": "refused", "reason": f"blp did not pass its gates: {GATES[1]['words']}",
               "gates": GATES}  # fmt: skip
    return {
        "status": "ok", "reason": "2 contenders judged. blp was refused. logit serves tonight.",
        "panel": {"markets": 104, "alternatives": 105, "composites": 40, "rows": 9645, "units": 1.0,
                  "zero_share": 0.083, "instruments": ["cost"]},
        "judged": {"markets": 8, "since": "2024-02-26", "units": 8811.0, "rows": 810},
        "market_choice": [{"contender": "logit", "log_likelihood_per_unit": -4.38, "top_1": 0.25, "ndcg_at_3": 0.9,
                           "ece": 0.0005, "gain": 0.088, "gain_se": 0.011, "outside_error": 0.04}],
        "price_response": [{"contender": "logit", "events": 117, "sign_right": 0.62, "size": 1.6, "slope": 0.1,
                            "answer": 1.12}],
        "left_out": {"complements": "it has no opinion without a basket"},
        "fits": {"logit": fit, "blp": refused},
        "ladder": [{"name": "shares", "log_likelihood": -4.47, "climbed": True, "words": "the ground"},
                   {"name": "blp", "log_likelihood": None, "climbed": False, "words": "refused"}],
        "serves": {"contender": "logit", "age_nights": 0, "words": "logit serves tonight."},
        "tables": {"logit": ref}, "metrics": {},
    }  # fmt: skip


def test_the_section_says_who_serves_why_another_was_refused_and_what_prices_do(tmp_path: Path) -> None:
    page = nights.page(tmp_path)
    page = Page(page.settings, page.lake, page.night, [], page.decision, page.published, {"demand": facts(page)})
    html = render(page)
    for words in (
        "logit serves tonight.", "own elasticity -4.00 on all lines, -2.00 without bulk lines", "n = 8,811 units",
        "All 2 gates of blp", "complements is not among them: it has no opinion without a basket",
        "Elasticities by seller", "whose demand", "-1.50 [-1.90, -1.10]", "Consumer surplus per visitor: 2.50",
        "1.12", "EUR", "slow products, hoodie, several sellers",
        "passed: market size: own elasticity -1.40 at 0.5 x the people", "n = 9,645 rows of the panel",
    ):  # fmt: skip
        assert words in html, words
    assert nights.EVIL not in html
    assert "could not be built" not in html
    assert "0 % go up" not in html  # what passed is not worded as if it had not


def test_the_section_says_what_would_happen_what_the_data_bear_and_how_old_a_fit_is(tmp_path: Path) -> None:
    page = nights.page(tmp_path)
    told = facts(page)
    none = {"value": -41.4, "low": None, "high": None}
    cell = {"to": [{"product": nights.EVIL, "part": 0.25}], "buys_nothing": 0.657, "prices_never_seen": 0,
            "revenue": {"value": -41.36, "low": -50.0, "high": -30.0}, "profit": none,
            "surplus": {"value": -0.0177, "low": -0.02, "high": -0.01}}  # fmt: skip
    rows = [{"change": "drop", "product": "P1", "price": [14.0, 14.0], "fixed": cell, "solved": {"reason": "large"}},
            {"change": "reprice", "product": "P1", "price": [14.0, 15.4], "fixed": cell, "solved": cell}]  # fmt: skip
    markets = [{"market": f"{name}@2024-03-04", "people": 3282.0, "alternatives": 122, "rows": rows}
               for name in ("east", "west")]  # fmt: skip
    ref = page.lake.put_json("nights/demand/counterfactuals.json", {"cap": "At most 6.", "markets": markets}).json()
    one = {"lines": 10, "units": 12.0, "revenue": 99.0}
    told |= {
        "counterfactuals": {"status": "ok", "contender": "logit"},
        "tables": told["tables"] | {"counterfactuals": ref},
        "serves": {"contender": "logit", "age_nights": 2, "words": "the fit of 2 nights ago"},
    }
    told["panel"] |= {
        "account": {"given": one, "dropped": {"returned": one}, "kept": one},
        "data": {"rows": 9645, "markets": 104, "zero_share": 0.083, "single_order_share": 0.5, "price_variation": 0.02,
                 "flat_share": 0.1, "seller_concentration": 0.123, "top_five_sellers": 0.4, "single_item_share": 0.65,
                 "rungs": {"shares": "", "blp": "12 markets (at least 20)"}},
    }  # fmt: skip
    html = render(Page(page.settings, page.lake, page.night, [], page.decision, page.published, {"demand": told}))
    for words in (
        "What would happen, by logit", "without P1 at 14.00", "P1 at 15.40, not 14.00 (+10.0 %)",
        "-41.36 [-50.00, -30.00]", "-17.7 [-20.0, -10.0]", "buys nothing 65.7 %", "n = 3,282 people", "At most 6.",
        "What would happen in west@2024-03-04", "They are those of the fit of 2 nights ago.",
        "no: 12 markets (at least 20)", "Orders with one product, of orders", "65.0 %", "returned",
        "given = dropped by reason + kept",
    ):  # fmt: skip
        assert words in html, words
    assert nights.EVIL not in html
    assert "could not be built" not in html


def test_a_table_that_is_no_longer_what_was_written_is_not_shown(tmp_path: Path) -> None:
    page = nights.page(tmp_path)
    told = facts(page)
    path = told["tables"]["logit"]["path"]
    page.lake.point(path, page.lake.read(path).replace(b"-1.5", b"-9.5"))
    page = Page(page.settings, page.lake, page.night, [], page.decision, page.published, {"demand": told})
    html = render(page)
    assert f"could not be built: {path} is damaged" in html
    assert "-9.50" not in html


def test_without_markets_there_is_no_section_and_a_failure_says_why(tmp_path: Path) -> None:
    page = nights.page(tmp_path, demand={"status": "none", "reason": "no markets"})
    assert build(page) is None
    failed = Page(page.settings, page.lake, page.night, [], page.decision, page.published,
                  {"demand": {"status": "failed", "reason": "the lake was away"}})  # fmt: skip
    assert "the lake was away" in str(build(failed))


def test_a_heat_map_has_units_n_and_no_empty_rows() -> None:
    svg = str(heatmap("Elasticities", ["a", "<b>", "c"], [[-2.0, 0.1, None], [0.2, -1.0, None], [None] * 3],
                      ("whose demand", "whose prices"), "n = 7"))  # fmt: skip
    assert svg.count("<rect") == 4
    assert "&lt;b&gt;" in svg
    assert "row = whose demand, column = whose prices; n = 7" in svg
    assert heatmap("Nothing", ["a"], [[None]], ("", ""), "") is None
