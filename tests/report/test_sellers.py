"""Seller pages: counted by hand, one per seller, and nothing on them that is another seller's."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import polars as pl
import pytest

from recsys.report import sellers as counted
from recsys.report.page import Page, render, write
from recsys.report.sellers import Seller, sellers_of
from tests.report import nights
from tests.report.markup import read


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Page:
    monkeypatch.setattr(counted, "LEAST_ORDERS", 1)
    return nights.page(tmp_path)


def by_name(page: Page) -> dict[str, Seller]:
    found = sellers_of(page)
    assert found is not None
    return {seller.name: seller for seller in found.pages}


def test_figures_are_those_counted_by_hand(page: Page) -> None:
    found = sellers_of(page)
    assert found is not None
    assert (found.sellers, found.orders, found.days) == (3, 7, 10)
    assert found.single_share == pytest.approx(5 / 7)
    anna = by_name(page)["anna"]
    assert (anna.orders, anna.customers, anna.units, anna.sales) == (4, 3, 4, 60)
    assert anna.single_share == pytest.approx(2 / 4)
    assert anna.sales_share == pytest.approx(60 / (60 + 23 + 3))
    assert (anna.recent, anna.earlier) == (60, 0)
    assert anna.weekly == ((0.0, 40.0),)  # one whole week of ten days: a2 on the 9th and the 10th
    # first two places: u1 b2 a2, u2 a1 c1, u3 a1 b2
    assert (anna.places, anna.reached, anna.shown, anna.on_offer) == (3, 3, 2, 2)
    assert anna.places_share == pytest.approx(3 / 6)
    assert anna.arms == "champion 50 %, ease 50 %"
    assert by_name(page)["bert & <b>co</b>"].arms == "champion 100 %"
    assert by_name(page)["cleo"].arms == counted.OFF


def with_money(page: Page) -> Page:
    """The same night with the money table that `experiments` leaves."""
    row = {
        "scope": "anna", "uptake": 0.1, "orders": 4, "single_orders": 2, "line": 12.0, "sales": 2400.0,
        "sales_low": 2100.0, "sales_high": 2750.0, "within_reach": 480.0, "notes": "only 3 two-item orders",
    }  # fmt: skip
    rows = [{**row, "scope": "shop", "sales": 9999.0}, row]
    ref = page.lake.put_frame("opportunity.parquet", pl.DataFrame(rows)).json()
    told = {
        "tables": {"opportunity": ref},
        "money": {
            "assumptions": {
                "uptake": "0.1 (fixed, assumed)",
                "profit_share": "0.286",
                "returned": "0.0213 (measured)",
                "hit_rate": "0.0719 (hit@2 of ease)",
            }
        },
    }
    return dataclasses.replace(page, facts={"experiments": told})


def test_the_opportunity_is_the_sellers_row_of_the_nights_money_table(page: Page) -> None:
    page = with_money(page)
    write(page)
    folder = page.settings.runtime_folder / "reports" / page.name
    files = {name: (folder / seller.file).read_text() for name, seller in by_name(page).items()}
    anna = read(files["anna"]).words()
    assert "2,400 EUR [2,100, 2,750]" in anna
    assert "2 of your 4 orders hold one item. If 10 % of those customers took one more" in anna
    assert "uptake 0.1 (fixed, assumed)" in anna
    assert "Note: only 3 two-item orders." in anna
    assert "9,999" not in anna
    for of_the_shop in ("0.286", "profit share", "0.0213", "returned", "0.0719", "hit rate"):
        assert of_the_shop not in anna  # what the shop earns and measures over all sellers is not for the seller's eyes
    assert "was not computed tonight" in read(files["cleo"]).words()
    assert "2,400 [2,100, 2,750]" in read(render(page)).words()


def test_the_best_products_and_what_completes_them(page: Page) -> None:
    kite, evil = by_name(page)["anna"].top
    assert (kite.product, kite.sales, kite.places, kite.own, kite.others) == ("a2", 40, 1, (nights.EVIL,), 0)
    assert (evil.product, evil.own, evil.others) == ("a1", ("Anna's kite",), 1)


def test_a_page_names_no_other_seller_and_none_of_their_products(page: Page) -> None:
    write(page)
    folder = page.settings.runtime_folder / "reports" / page.name
    for name, seller in by_name(page).items():
        text = read((folder / seller.file).read_text()).words()
        assert name in text
        for product, (owner, title) in nights.GOODS.items():
            if owner == name:
                assert title in text
            else:
                assert owner not in text
                assert title not in text
                assert product not in text.split()


def test_a_page_does_not_give_away_what_the_shop_sells(page: Page) -> None:
    """Own sales and their share of all would."""
    write(page)
    folder = page.settings.runtime_folder / "reports" / page.name
    for seller in by_name(page).values():
        text = read((folder / seller.file).read_text()).words()
        assert "all sales" not in text
        assert f"{100 * seller.sales_share:.2f} %" not in text


def test_figures_of_one_seller_do_not_move_with_anothers_titles(page: Page) -> None:
    """The value a page is made from is free of what belongs to others, not only its text."""
    told = repr(by_name(page)["anna"])
    assert not any(word in told for word in ("bert", "cleo", "Bert", "Cleo"))


def test_the_page_of_the_night_links_every_seller(page: Page) -> None:
    write(page)
    folder = page.settings.runtime_folder / "reports"
    links = [e.attributes["href"] for e in read(render(page)).all("a") if not e.attributes["href"].startswith("#")]
    assert len(links) == 3
    assert all((folder / link).is_file() for link in links)


def test_sellers_with_few_orders_have_no_page_and_the_cap_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted, "LEAST_ORDERS", 4)
    found = sellers_of(nights.page(tmp_path))
    assert found is not None
    assert [s.name for s in found.pages] == ["anna", "bert & <b>co</b>"]
    assert found.sellers == 3


def test_at_most_so_many_pages_by_sales(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counted, "MOST_PAGES", 1)
    assert list(by_name(page)) == ["anna"]


def test_two_sellers_never_share_a_file(page: Page) -> None:
    anna = by_name(page)["anna"]
    names = ["Ünal", "ünal", "a/b", "a b", "../a", "", "x" * 300, "x" * 301]
    files = [dataclasses.replace(anna, name=name).file for name in names]
    assert len(set(files)) == len(names)
    assert all("/" not in file and len(file) < 80 for file in files)


def test_a_night_that_published_nothing_has_no_seller_pages(tmp_path: Path) -> None:
    assert sellers_of(nights.empty_page(tmp_path)) is None
