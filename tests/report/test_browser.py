"""The page in a real browser: nothing is fetched, nothing sticks out at phone width, colours follow the system."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recsys.report import sellers
from recsys.report.page import write
from tests.report import nights

CHROME = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
pytestmark = [pytest.mark.services, pytest.mark.skipif(CHROME is None, reason="no Chromium on this machine")]
STICKS_OUT = """() => [...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll') && !e.closest('svg')
    && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + ' ' + e.textContent.slice(0, 40))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROME, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The night's page and a seller's."""
    patch = pytest.MonkeyPatch()
    patch.setattr(sellers, "LEAST_ORDERS", 1)
    file = Path(write(nights.page(tmp_path_factory.mktemp("night"))))
    patch.undo()
    return [file, next(file.with_suffix("").glob("anna-*.html"))]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_sticks_out_nothing_is_fetched_nothing_complains(
    browser: Any, pages: list[Path], width: int, scheme: str
) -> None:
    for file in pages:
        tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        told: list[str] = []
        tab.on("console", lambda message, told=told: told.append(message.text))
        tab.on("request", lambda request, told=told: told.append(request.url))
        tab.goto(file.as_uri())
        assert told == [file.as_uri()]
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.evaluate(STICKS_OUT) == []
        ink, paper = tab.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        assert (_light(ink) > _light(paper)) == (scheme == "dark")
        tab.close()


def test_links_of_the_contents_and_of_sellers_lead_there(browser: Any, pages: list[Path]) -> None:
    tab = browser.new_page(viewport={"width": 390, "height": 900})
    tab.goto(pages[0].as_uri())
    tab.click("nav >> text=Leaderboard")
    assert tab.url.endswith("#leaderboard")
    assert tab.evaluate("document.getElementById('leaderboard').getBoundingClientRect().top") < 100
    tab.click("a >> text=anna")
    assert tab.url == pages[1].as_uri()
    assert tab.inner_text("h1").startswith("anna on toys")
    tab.close()


def _light(colour: str) -> float:
    return sum(float(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")[:3])
