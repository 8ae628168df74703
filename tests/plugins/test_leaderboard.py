"""The leaderboard behind Airflow's login: who gets in, what is shown, what a hostile name does, how a rollback goes."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fastapi.testclient import TestClient

from recsys import publication
from recsys.config import Settings
from recsys.data.lake import Lake
from recsys.data.runs import remember
from tests.tracking import world

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"
SITE = "http://testserver"
HOSTILE = "<script>alert(1)</script>"
PAGES = [
    "/",
    "/run?dag_run_id=manual__8",
    "/report",
    "/2011-12-08-key8/x.html",
    "/mlflow",
    "/static/style.css",
    "/static/page.js",
]
CONFIG = '[shop]\nname = "corner"\n'


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The application under Airflow's simple auth manager."""
    home = tmp_path_factory.mktemp("airflow")
    env = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__API__SECRET_KEY": "k" * 64,
        "AIRFLOW__API_AUTH__JWT_SECRET": "j" * 96,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "vera:viewer,otto:user,anna:admin",
    }
    before = {name: os.environ.get(name) for name in env}
    os.environ.update(env)
    sys.path.insert(0, str(PLUGINS))
    try:
        from airflow.api_fastapi import app as core
        from recsys_ui.app import build, guarded

        _make_tables()
        core.init_auth_manager()
        yield guarded(build())
    finally:
        sys.path.remove(str(PLUGINS))
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


def _make_tables() -> None:
    """Airflow's tables without its migrations: its login asks a few."""
    import airflow.models
    from airflow import settings

    airflow.models.import_all_models()
    settings.initialize()
    airflow.models.base.Base.metadata.create_all(settings.engine)


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """Two nights of the corner shop: ease, then als."""
    (tmp_path / "recsys.toml").write_text(f'runtime = "run"\n{CONFIG}')
    monkeypatch.setenv("RECSYS_CONFIG", str(tmp_path / "recsys.toml"))
    one = world.settings(tmp_path)
    found = world.lake_of(one)
    _night(found, one, "ease", 7, 0.18)
    _night(found, one, "als", 8, 0.2)
    return found


def _night(lake: Lake, one: Settings, champion: str, day: int, mean: float, reason: str = "") -> None:
    """A night that published one list: of the customer bob, the champion's name as his only product."""
    records = [world.record(lake, "ease", mean), world.record(lake, "als", 0.1), world.failed("lightfm_warp")]
    decision = world.decision(champion, records)
    if reason:
        decision |= {"reasons": [reason], "tests": []}
    night = world.night(day)
    path = lake.put_json(f"nights/{night['as_of']}/{night['key']}/decision-0-auto.json", decision).path
    told = {"key": night["key"], "decision": path}
    closed = lake.put_json(f"nights/{night['as_of']}/{night['key']}/closed.json", told).path
    manifest = {
        "key": night["key"],
        "as_of": night["as_of"],
        "day": night["day"],
        "champion": champion,
        "night": closed,
        "run": night["run"],
        "reasons": decision["reasons"],
        "scorer_age_nights": 0,
    }
    lists = BytesIO()
    told = {"arm": ["champion"], "customer": ["bob"], "rank": [1], "product": [champion]}
    pl.DataFrame(told).write_parquet(lists)
    publication.publish(lake, publication.standing(lake).number, {"lists.parquet": lists.getvalue()}, manifest, {})
    remember(lake, night, path)


def client(app: Any, role: str | None) -> TestClient:
    """A browser of somebody with this role; None: of nobody."""
    browser = TestClient(app, base_url=SITE, raise_server_exceptions=False, follow_redirects=False)
    if role is not None:
        from airflow.api_fastapi.app import get_auth_manager
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

        user = SimpleAuthManagerUser(username=role, role=role)
        browser.cookies.set("_token", get_auth_manager().generate_jwt(user))
    return browser


def token(page: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found
    return found[1]


def rolled(browser: TestClient, told: dict[str, str], **headers: str) -> int:
    return browser.post("/rollback", data=told, headers={"Origin": SITE} | headers).status_code


@pytest.mark.parametrize("path", PAGES)
def test_nobody_gets_in_without_airflows_login(app: Any, lake: Lake, path: str) -> None:
    assert client(app, None).get(path).status_code == 401
    forged = client(app, None)
    forged.cookies.set("_token", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.")
    assert forged.get(path).status_code == 403


def test_nobody_rolls_back_without_login_and_a_viewer_may_not(app: Any, lake: Lake) -> None:
    page = client(app, "admin").get("/").text
    assert rolled(client(app, None), {"token": token(page)}) == 401
    assert "rollback" not in client(app, "viewer").get("/").text
    assert rolled(client(app, "viewer"), {"token": token(page)}) == 403
    assert publication.standing(lake).number == 2


@pytest.mark.parametrize("path", [*PAGES, "/nowhere", "/static/../app.py"])
@pytest.mark.parametrize("role", [None, "viewer"])
def test_every_answer_carries_its_headers(app: Any, lake: Lake, path: str, role: str | None) -> None:
    told = client(app, role).get(path).headers
    assert "default-src 'none'" in told["content-security-policy"]
    assert "frame-ancestors 'self'" in told["content-security-policy"]
    assert told["x-content-type-options"] == "nosniff"
    assert told["x-frame-options"] == "SAMEORIGIN"
    assert told["cache-control"] == "no-store"


def test_tonight_against_last_night(app: Any, lake: Lake) -> None:
    text = client(app, "viewer").get("/run?dag_run_id=manual__8").text
    assert "night of 2011-12-08" in text
    assert "als is best." in text
    assert "last night is 2011-12-07" in text
    assert "+0.0200" in text  # ease: 0.18 -> 0.20
    assert "0.1900 to 0.2200" in text
    assert "lightfm_warp</strong>: failed. ran out of memory" in text
    assert "gen-000002, as of 2011-12-08" in text
    assert "report?as_of=2011-12-08&amp;key=key8" in text


def test_what_is_served_leads_to_its_version(app: Any, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "In MLflow" not in client(app, "viewer").get("/").text
    lake.point("mirror/gen-000002.json", b'{"version": "12"}')
    assert 'href="mlflow?version=12"' in client(app, "viewer").get("/").text
    assert client(app, "viewer").get("/mlflow?version=12").status_code == 404  # nobody said where MLflow is
    monkeypatch.setenv("RECSYS_TRACKING__PUBLIC_URL", "https://shop.example/mlflow")
    answer = client(app, "viewer").get("/mlflow?version=12")
    assert answer.status_code == 303
    assert answer.headers["location"] == "https://shop.example/mlflow/#/models/recsys-corner/versions/12"


def test_the_side_bar_shows_the_newest_night(app: Any, lake: Lake) -> None:
    assert "night of 2011-12-08" in client(app, "viewer").get("/").text


def test_a_switch_of_sellers_leaves_the_night_its_links(app: Any, lake: Lake) -> None:
    """Its generation has a key of its own, under which there is neither a report nor a run in MLflow."""
    before = client(app, "viewer").get("/").text
    newest = list(publication.entries(lake))[-1]
    told = {k: v for k, v in newest.manifest.items() if k not in ("files", "format", "number", "kind", "previous")}
    publication.publish(lake, newest.number, {}, {**told, "key": "switch-1", "off": ["anna"]}, {})
    after = client(app, "viewer").get("/").text
    assert "gen-000003, as of 2011-12-08 (the night above published gen-000002)" in after
    links = re.compile(r'href="(report\?[^"]*|mlflow\?[^"]*)"')
    assert links.findall(after) == links.findall(before)
    assert "report?as_of=2011-12-08&amp;key=key8" in after


@pytest.mark.parametrize("path", ["/", "/run?dag_run_id=manual__8"])
def test_a_view_reads_the_sequence_once(app: Any, lake: Lake, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    read, times = publication.entries, []
    for where in (publication, sys.modules[read.__module__]):
        monkeypatch.setattr(where, "entries", lambda lake: times.append(lake) or read(lake))
    assert client(app, "viewer").get(path).status_code == 200
    assert len(times) == 1


def test_a_run_that_has_not_decided_says_so_and_looks_again(app: Any, lake: Lake) -> None:
    remember(lake, world.night(9))
    text = client(app, "viewer").get("/run?dag_run_id=manual__9").text
    assert "Nothing is decided yet" in text
    assert 'http-equiv="refresh"' in text
    assert "has not prepared its data" in client(app, "viewer").get("/run?dag_run_id=unknown").text
    assert "is not a night" in client(app, "viewer").get("/run?dag_run_id=x&dag_id=other").text


def test_before_the_first_night(app: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recsys.toml").write_text(f'runtime = "run"\n{CONFIG}')
    monkeypatch.setenv("RECSYS_CONFIG", str(tmp_path / "recsys.toml"))
    assert "Nothing is published yet" in client(app, "viewer").get("/").text


def test_hostile_text_is_inert(app: Any, lake: Lake, tmp_path: Path) -> None:
    _night(lake, world.settings(tmp_path), "ease", 9, 0.3, reason=HOSTILE)
    for path in ("/", "/run?dag_run_id=manual__9", f"/run?dag_run_id=x&dag_id={HOSTILE}", f"/static/{HOSTILE}"):
        assert HOSTILE not in client(app, "admin").get(path).text
    assert "&lt;script&gt;alert(1)" in client(app, "viewer").get("/").text


@pytest.mark.parametrize("as_of", ["../../recsys", "..%2F..%2Frecsys", "/etc/passwd", "2011-12-08"])
def test_only_reports_are_served_as_reports(app: Any, lake: Lake, as_of: str) -> None:
    assert client(app, "admin").get(f"/report?as_of={as_of}&key=toml").status_code == 404


def test_a_sellers_page_is_found_beside_the_report_and_nothing_else_is(app: Any, lake: Lake) -> None:
    lake.point("reports/2011-12-08-key8/anna-00000000.html", b"<p>anna</p>")
    person = client(app, "viewer")
    answer = person.get("/2011-12-08-key8/anna-00000000.html")
    assert (answer.status_code, answer.text) == (200, "<p>anna</p>")
    assert "sandbox" in answer.headers["content-security-policy"]
    for path in ("/2011-12-08-key8/bert.html", "/..%2f..%2f/recsys.toml", "/2011-12-08-key8/..%2f..%2frecsys.toml"):
        assert person.get(path).status_code == 404


def test_a_report_may_not_run_anything(app: Any, lake: Lake) -> None:
    lake.point("reports/2011-12-08-key8.html", f"<h1>n\u00e4chtlich</h1>{HOSTILE}".encode())
    answer = client(app, "viewer").get("/report?as_of=2011-12-08&key=key8")
    assert answer.status_code == 200
    assert "n\u00e4chtlich" in answer.text
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]


def test_a_rollback_once_from_our_page(app: Any, lake: Lake) -> None:
    browser = client(app, "user")
    told = {"token": token(browser.get("/").text), "why": "  als shows\nthe same mug to all "}
    assert rolled(browser, told) == 303
    newest = list(publication.entries(lake))[-1]
    assert (newest.kind, newest.serves) == ("rollback", "gen-000001")
    assert newest.manifest["why"] == "rolled back in Airflow by user: als shows the same mug to all"
    assert "Barred" in browser.get("/").text
    assert "Since then: gen-000001 is served again, champion ease" in browser.get("/").text
    assert rolled(browser, told) == 403  # the page is out of date now
    assert publication.standing(lake).number == 3


def test_a_shop_that_reads_sql_follows_a_rollback(app: Any, lake: Lake, monkeypatch: Any, tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    monkeypatch.setenv("RECSYS_PUBLISHING__PUSH_URL", f"sqlite:///{file}")
    browser = client(app, "user")
    assert rolled(browser, {"token": token(browser.get("/").text)}) == 303
    with sqlite3.connect(file) as shop:
        told = "select customer, product, generation from recommendations"
        assert shop.execute(told).fetchall() == [("bob", "ease", "gen-000001")]


def test_a_rollback_whose_lists_cannot_be_pushed_says_what_it_did(app: Any, lake: Lake, monkeypatch: Any) -> None:
    monkeypatch.setenv("RECSYS_PUBLISHING__PUSH_URL", "sqlite:////nowhere/at/all.db")
    browser = client(app, "user")
    told = {"token": token(browser.get("/").text)}
    answer = browser.post("/rollback", data=told, headers={"Origin": SITE})
    assert answer.status_code == 409
    assert "gen-000001 is served again, but not from the shop" in answer.text
    assert "Trigger the DAG after_champion" in answer.text
    assert publication.current(lake).name == "gen-000001"


def test_a_rollback_from_elsewhere_is_refused(app: Any, lake: Lake) -> None:
    from recsys_ui.app import token_for

    browser, told = client(app, "admin"), {"token": token(client(app, "admin").get("/").text)}

    class Other:
        def get_id(self) -> str:
            return "somebody"

    class Admin(Other):
        def get_id(self) -> str:
            return "admin"

    assert rolled(browser, told, Origin="https://evil.example") == 403
    assert rolled(browser, told, Origin="null") == 403
    assert rolled(browser, told, **{"Sec-Fetch-Site": "cross-site"}) == 403
    assert browser.post("/rollback", data=told).status_code == 403  # no origin at all
    assert rolled(browser, {}) == 403
    assert rolled(browser, {"token": "x" * 300}) == 422
    assert rolled(browser, {"token": "é.é"}) == 403
    assert rolled(browser, {"token": token_for(Other(), 2)}) == 403
    assert rolled(browser, {"token": token_for(Admin(), 1)}) == 403
    assert rolled(browser, {"token": token_for(Admin(), 2, at=0)}) == 403
    assert publication.standing(lake).number == 2


def test_the_plugin_is_cheap_and_builds_nothing_at_import(tmp_path: Path) -> None:
    """Every Airflow process imports it."""
    code = f"""
import json, sys
import airflow.plugins_manager
before = set(sys.modules)
sys.path.insert(0, {str(PLUGINS)!r})
import recsys_plugin
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    env = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    added = {name.split(".")[0] for name in json.loads(out.splitlines()[-1])}
    assert "recsys_plugin" in added
    assert not added & {"recsys", "fastapi", "numpy", "polars", "mlflow", "torch", "httpx", "jinja2"}


def test_the_application_imports_nothing_that_trains(app: Any, lake: Lake, tmp_path: Path) -> None:
    code = f"""
import json, sys
sys.path.insert(0, {str(PLUGINS)!r})
import recsys_ui.app
trains = ("recsys.models", "recsys.steps", "recsys.contest.isolated", "recsys.contest.child")
print(json.dumps([m for m in sys.modules if m.startswith(trains)
    or m in ("torch", "mlflow", "lightfm", "pyblp", "polars", "pandas", "implicit", "numba", "matplotlib")]))
"""
    env = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    assert json.loads(out.splitlines()[-1]) == []


def test_airflow_loads_the_plugin(tmp_path: Path) -> None:
    code = """
import json
from airflow import plugins_manager as p
apps, _ = p.get_fastapi_plugins()
views, _ = p._get_ui_plugins()
print(json.dumps([[a["url_prefix"] for a in apps], [v["destination"] for v in views], dict(p.get_import_errors())]))
"""
    env = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS),
    }
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    apps, views, errors = json.loads(done.stdout.splitlines()[-1])
    assert apps == ["/recsys"]
    assert sorted(v for v in views if v in ("nav", "dag_run")) == ["dag_run", "nav"]
    assert errors == {}
