"""The page as a whole: safe, self-contained, readable by everybody, written whatever the night was like."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections import Counter
from pathlib import Path

import pytest

from recsys import publication
from recsys.data.lake import Lake, Ref
from recsys.report import page as report
from recsys.report import sellers
from recsys.report.page import SECTIONS, Page, render, write
from tests.report import nights
from tests.report.markup import Element, read

FRAME = Path(report.__file__).with_name("page.html").read_text()


@pytest.fixture(params=["full", "empty", "all failed"])
def night(request: pytest.FixtureRequest, tmp_path: Path) -> Page:
    if request.param == "empty":
        return nights.empty_page(tmp_path)
    board = None if request.param == "full" else [nights.failed("ease", "out of memory"), nights.failed("als", "late")]
    return nights.page(tmp_path, board)


def test_the_page_is_a_tree_without_script_style_attributes_or_handlers(night: Page) -> None:
    for element in read(render(night)).walk():
        assert element.tag not in {"script", "iframe", "object", "embed", "img", "link", "form", "base"}
        assert not [name for name in element.attributes if name.startswith("on") or name in {"style", "src"}]


def test_what_people_typed_is_shown_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sellers, "LEAST_ORDERS", 1)
    page = nights.page(tmp_path)
    html = render(page)
    assert "<script" not in html
    assert "&lt;script&gt;" in html  # the reason of the contender that failed
    assert "<b>co</b>" not in html
    write(page)
    pages = list((page.settings.runtime_folder / "reports" / page.name).glob("*.html"))
    assert len(pages) == 3
    assert not any("<script" in file.read_text() or "<b>co" in file.read_text() for file in pages)
    assert any("&lt;script&gt;" in file.read_text() for file in pages)


def test_nothing_is_fetched(night: Page) -> None:
    html = render(night)
    assert not re.search(r"https?:|//[a-z]|url\(|@import", html)
    assert "default-src 'none'" in html
    targets = [e.attributes["href"] for e in read(html).all("a")]
    assert all(t.startswith("#") or re.fullmatch(r"[\w.-]+/[\w.-]+\.html", t) for t in targets)


def test_links_within_the_page_lead_somewhere_and_ids_are_unique(night: Page) -> None:
    tree = read(render(night))
    ids = [e.attributes["id"] for e in tree.walk() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    inner = {e.attributes["href"][1:] for e in tree.all("a") if e.attributes["href"].startswith("#")}
    named = {part for e in tree.walk() for part in e.attributes.get("aria-labelledby", "").split()}
    assert inner | named <= set(ids)


def test_headings_descend_one_level_at_a_time(night: Page) -> None:
    levels = [int(e.tag[1]) for e in read(render(night)).all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_tables_have_captions_and_scoped_headings(night: Page) -> None:
    for table in read(render(night)).all("table"):
        assert table.all("caption")[0].words().strip()
        assert all(cell.attributes.get("scope") in {"col", "row"} for cell in table.all("th"))
        assert all(line.all("th") for line in table.all("tr"))


def test_figures_say_what_they_show(tmp_path: Path) -> None:
    tree = read(render(nights.page(tmp_path)))
    pictures = [e for e in tree.all("svg") if e.attributes.get("role") == "img"]
    assert len(pictures) >= 2
    for picture in pictures:
        assert picture.all("title")[0].words()
        assert picture.all("desc")[0].words()
    assert all("n = " in caption.words() for caption in tree.all("figcaption"))
    hidden = [e for e in tree.all("svg") if e not in pictures and e.attributes.get("aria-hidden") != "true"]
    assert all(inside(e, pictures) for e in hidden)


def inside(element: Element, parents: list[Element]) -> bool:
    return any(element is child for parent in parents for child in parent.walk())


def test_colours_have_contrast_by_day_and_by_night() -> None:
    blocks = re.findall(r":root \{([^}]*)\}", FRAME)
    assert len(blocks) == 2
    for block in blocks:
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))
        inks = [name for name in colours if name not in {"paper", "shade", "line"}]
        assert {"ink", "soft", "mark", "s0", "s5"} <= set(inks)
        for ink in inks:
            for ground in ("paper", "shade"):
                assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


def contrast(one: str, other: str) -> float:
    """WCAG 2.2 contrast ratio."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_contrast_is_the_standards_formula() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_those_who_failed_are_named_with_their_reason(tmp_path: Path) -> None:
    board = [nights.row("ease", 0.1), nights.failed("als", "ran out of memory at 8,192 MB")]
    text = read(render(nights.page(tmp_path, board))).words()
    assert "als: failed. ran out of memory at 8,192 MB" in text


def test_a_section_that_fails_says_so_and_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from recsys.report.sections import data

    def broken(page: Page) -> str:
        raise KeyError("rows")

    monkeypatch.setattr(data, "build", broken)
    tree = read(render(nights.page(tmp_path)))
    assert "could not be built: KeyError" in tree.words()
    assert "Leaderboard" in tree.words()


def test_a_misspelt_section_is_nobodys_silence(tmp_path: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match="leaderbord"):
        report.section("leaderbord", nights.page(tmp_path))


def test_the_sequence_and_each_table_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tonight's generation is asked for by four sections and the sellers' pages, the earlier one by one."""
    monkeypatch.setattr(sellers, "LEAST_ORDERS", 1)
    settings, lake = nights.shop(tmp_path)
    told = nights.decision([nights.row("ease", 0.1)])
    nights.publish(lake, 0, "2024-03-09", told)
    page = Page(settings, lake, nights.night(), [], told, nights.publish(lake, 1, nights.AS_OF, told), {})
    read, entries = Lake.read, publication.entries
    paths: Counter[str] = Counter()

    def counted(lake: Lake, ref: Ref | str) -> bytes:
        paths[ref if isinstance(ref, str) else ref.path] += 1
        return read(lake, ref)

    monkeypatch.setattr(Lake, "read", counted)
    monkeypatch.setattr(publication, "entries", lambda lake: paths.update(["entries"]) or entries(lake))
    write(page)
    tables = {path: n for path, n in paths.items() if path.startswith("generations/") and path.endswith(".parquet")}
    assert len(tables) == 5  # lists and products of both, complements of tonight
    assert set(tables.values()) == {1}
    assert paths["entries"] == 1


def test_a_night_is_written_once_and_is_latest_only_where_it_is_served(tmp_path: Path) -> None:
    page = nights.page(tmp_path)
    file = Path(write(page))
    first = file.read_bytes()
    assert file.name == f"{nights.AS_OF}-01234567.html"
    assert file.with_name("latest.html").read_bytes() == first
    write(page)
    assert file.read_bytes() == first
    other = dataclasses.replace(page, night=nights.night(key="f" * 16), published={**page.published, "current": False})
    write(other)
    assert file.with_name("latest.html").read_bytes() == first


def test_what_is_written_lies_in_the_lake_and_its_copy_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod's own disk is gone with the pod; the leaderboard's is another one."""
    monkeypatch.setattr(sellers, "LEAST_ORDERS", 1)
    page = nights.page(tmp_path)
    copy = Path(write(page)).parent
    names = sorted(path.removeprefix("reports/") for path in page.lake.paths("reports"))
    assert len(names) == 5  # the night's, the latest, three sellers'
    assert names == sorted(str(file.relative_to(copy)) for file in copy.rglob("*.html"))
    assert all(page.lake.read(f"reports/{name}") == (copy / name).read_bytes() for name in names)


def test_every_section_has_a_title_of_its_own(tmp_path: Path) -> None:
    tree = read(render(nights.page(tmp_path)))
    titles = [h.words() for h in tree.all("h2")]
    assert len(titles) == len(set(titles)) >= 5
    assert [a.words() for nav in tree.all("nav") for a in nav.all("a")] == titles
    assert len(SECTIONS) == len(set(SECTIONS))
