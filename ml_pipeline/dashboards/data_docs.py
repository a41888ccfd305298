"""Serves the Data Docs that the quality gate wrote: what is in its folder, and nothing else."""

import re
from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ml_pipeline.settings import load_settings

# The pages are plain HTML with a style of their own: nothing is to run in them, or to be fetched.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; "
    "base-uri 'none'; form-action 'none'"
}
NOTHING_YET = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Data Docs</title><h1>No Data Docs yet</h1>"
    "<p>They are written whenever the quality gate has judged: run the DAG <code>check_data_quality</code>.</p></html>"
)
PAGE = re.compile(r"[A-Za-z0-9]+/[A-Za-z0-9_.]+\.html")
"""Neither hidden nor a way up."""


def router() -> APIRouter:
    """Return the routes below ``/data-docs/``; who mounts them asks for a login."""
    routes = APIRouter(prefix="/data-docs")
    routes.add_api_route("", _to_the_folder)
    routes.add_api_route("/", _first_page)
    routes.add_api_route("/index.html", _first_page)
    routes.add_api_route("/{judgement}/{page}", _page)
    return routes


def _to_the_folder() -> Response:
    """Links in the pages are relative to it."""
    return RedirectResponse("data-docs/")


def _first_page() -> Response:
    page = load_settings().data_docs / "index.html"
    return _html(page) if page.is_file() else HTMLResponse(NOTHING_YET, headers=HEADERS)


def _page(judgement: str, page: str) -> Response:
    file = load_settings().data_docs / judgement / page
    if not PAGE.fullmatch(f"{judgement}/{page}") or not file.is_file():
        raise HTTPException(404, "no such page: it may be older than those that are kept")
    return _html(file)


def _html(file: Path) -> Response:
    return HTMLResponse(file.read_text(encoding="utf-8"), headers=HEADERS)
