"""The leaderboard behind Airflow's own login: who may see the nights reads, who may trigger one rolls back."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import get_user, requires_access_dag
from airflow.configuration import conf
from fastapi import Depends, FastAPI, Form, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from recsys import publication
from recsys.config import Settings, load
from recsys.data.lake import Lake
from recsys.errors import RecsysError
from recsys.publication import Entry
from recsys.report.page import FOLDER
from recsys.serving.push import follow
from recsys.tracking.champion import model_name
from recsys.tracking.pages import night_page, version_page
from recsys_ui import books
from recsys_ui.page import render, render_message

DAG = "nightly_retraining"
STATIC = Path(__file__).parent / "static"
TOKEN_SECONDS = 3600.0
HEADERS = {
    b"content-security-policy": b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    b"form-action 'self'; frame-ancestors 'self'; base-uri 'none'",
    b"x-frame-options": b"SAMEORIGIN",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",  # no-referrer would take the Origin away that the rollback checks
    b"cache-control": b"no-store",
}
PAGE = re.compile(r"([A-Za-z0-9-]+/)?[A-Za-z0-9-]+[.]html")  # nothing that leads out of the reports' folder
# The nightly report carries its own styles and figures; whatever else it might carry does not run.
REPORT = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; base-uri 'none'; sandbox"
)

User = Annotated[Any, Depends(get_user)]
READER = Depends(requires_access_dag("GET", DagAccessEntity.RUN, DAG))
OPERATOR = Depends(requires_access_dag("POST", DagAccessEntity.RUN, DAG))
Asgi = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]


@cache
def application() -> Asgi:
    """The application with its headers on every answer."""
    return guarded(build())


def build() -> FastAPI:
    """Routes; each asks Airflow who is there before anything else."""
    app = FastAPI(title="recsys leaderboard", openapi_url=None, docs_url=None, redoc_url=None)
    for path, answer in (("/", newest), ("/run", of_run), ("/report", report), ("/mlflow", mlflow)):
        app.get(path, dependencies=[READER], response_class=HTMLResponse)(answer)
    app.get("/static/{name}", dependencies=[READER])(static)
    app.get("/{night}/{page}", dependencies=[READER], response_class=HTMLResponse)(seller)
    app.post("/rollback", dependencies=[OPERATOR])(rollback)
    app.exception_handler(HTTPException)(_refused)
    app.exception_handler(RecsysError)(_explained)
    return app


def newest(user: User) -> HTMLResponse:
    """The side bar's page: the newest night and the sequence of generations."""
    settings, lake = _open()
    history = list(publication.entries(lake))
    return _page(user, settings, lake, history, books.newest_board(lake, settings, history), "")


def of_run(user: User, dag_run_id: str = "", dag_id: str = DAG) -> HTMLResponse:
    """The tab of a run."""
    if dag_id != DAG:
        return HTMLResponse(render_message("No leaderboard here", f"{dag_id} is not a night: it judges nobody."))
    settings, lake = _open()
    history = list(publication.entries(lake))
    board = books.board_of_run(lake, settings, dag_run_id, history)
    return _page(user, settings, lake, history, board, dag_run_id)


def report(as_of: str = "", key: str = "") -> Response:
    """The nightly page of a night, or the newest."""
    return _stored(f"{as_of}-{key[:8]}.html" if as_of else "latest.html", "This night has no report yet.")


def seller(night: str, page: str) -> Response:
    """One seller's page: the nightly page links it as NIGHT/PAGE beside itself."""
    return _stored(f"{night}/{page}", "This night has no such seller's page.")


def _stored(name: str, missing: str) -> Response:
    """A page the night's report task left in the lake."""
    _, lake = _open()
    path = f"{FOLDER}/{name}"
    if not PAGE.fullmatch(name) or not lake.exists(path):
        raise HTTPException(404, missing)
    headers = {"content-security-policy": REPORT}
    return HTMLResponse(lake.read(path), headers=headers)


def mlflow(request: Request, key: str = "", version: str = "") -> Response:
    """On to MLflow: the run table narrowed to a night, or the version of the champion."""
    settings, _ = _open()
    page = version_page(settings, model_name(settings), version) if version else night_page(settings, key)
    if not page:
        raise HTTPException(404, "MLflow has no address to show: set [tracking] public_url, or `recsys up`.")
    return RedirectResponse(page, status_code=303)


def static(name: str) -> Response:
    """Style, script and icons."""
    known = {file.name: file for file in STATIC.iterdir()}
    if name not in known:
        raise HTTPException(404, "No such file.")
    return FileResponse(known[name])


def rollback(
    request: Request,
    user: User,
    token: Annotated[str, Form(max_length=200)] = "",
    why: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Serve the generation before the last change of champion again; only from our own page, only what it showed."""
    settings, lake = _open()
    _check_origin(request)
    if not _genuine(token, user, publication.standing(lake).number):
        raise HTTPException(403, "This page is out of date: load it again, look at what is served, then roll back.")
    said = " ".join(why.split())
    entry = publication.rollback(lake, f"rolled back in Airflow by {user.get_name()}" + (f": {said}" if said else ""))
    follow(settings, lake, entry.serves)
    return RedirectResponse("./", status_code=303)


def may_roll_back(user: Any) -> bool:
    """May this person trigger a night? Then also undo one."""
    allowed: bool = get_auth_manager().is_authorized_dag(
        method="POST", access_entity=DagAccessEntity.RUN, details=DagDetails(id=DAG), user=user
    )
    return allowed


def token_for(user: Any, number: int, at: float | None = None) -> str:
    """Proof that our page was shown to this person, with this entry of the sequence, within the hour."""
    issued = str(int(time.time() if at is None else at))
    said = "|".join(("rollback", str(user.get_id()), str(number), issued))
    key = conf.get("api", "secret_key").encode()
    return f"{issued}.{hmac.new(key, said.encode(), hashlib.sha256).hexdigest()}"


def _genuine(token: str, user: Any, number: int) -> bool:
    issued = token.partition(".")[0]
    if not issued.isascii() or not issued.isdigit() or len(issued) > 12:
        return False
    fresh = 0 <= time.time() - int(issued) + 1 < TOKEN_SECONDS
    return fresh and hmac.compare_digest(token.encode(), token_for(user, number, int(issued)).encode())


def _check_origin(request: Request) -> None:
    """A browser names the page a form was sent from; another site's is refused."""
    origin = request.headers.get("origin")
    ours = {request.headers.get("host", ""), urlsplit(conf.get("api", "base_url", fallback="")).netloc}
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise HTTPException(403, "Sent from another site.")
    if origin is None or urlsplit(origin).netloc not in ours - {""}:
        raise HTTPException(403, "Sent from another site.")


def _page(
    user: Any, settings: Settings, lake: Lake, history: Sequence[Entry], board: books.Board | None, run: str
) -> HTMLResponse:
    shop = books.shop_of(history)
    token = token_for(user, shop.standing.number) if shop.can_roll_back and may_roll_back(user) else ""
    served = shop.standing.served or {}
    version = books.version_of(lake, f"gen-{int(served['number']):06d}") if served else ""
    return HTMLResponse(render(settings, shop, board, run, token=token, version=version))


def _open() -> tuple[Settings, Lake]:
    settings = load()
    return settings, Lake(settings.lake_root)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    titles = {401: "Log in to Airflow first", 403: "Not allowed"}
    title = titles.get(error.status_code, "Nothing to show")
    return HTMLResponse(render_message(title, str(error.detail)), status_code=error.status_code)


def _explained(request: Request, error: Exception) -> Response:
    return HTMLResponse(render_message("Not now", str(error)), status_code=409)


def guarded(app: Asgi) -> Asgi:
    """Every answer carries the security headers, errors included; the report's own policy stands."""

    async def with_headers(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        async def answer(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                told = {name.lower(): value for name, value in message.get("headers", ())}
                message["headers"] = list((HEADERS | told).items())
            await send(message)

        await app(scope, receive, answer)

    return with_headers
