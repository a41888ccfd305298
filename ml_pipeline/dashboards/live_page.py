from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from ml_pipeline.dashboards.live import read_live
from ml_pipeline.dashboards.templates import render
from ml_pipeline.database.engine import transaction
from ml_pipeline.errors import DatabaseError
from ml_pipeline.settings import load_settings


def router(clock: Callable[[], datetime]) -> APIRouter:
    """Return the live view: a page, and the figures it asks for every few seconds."""
    pages = APIRouter(default_response_class=HTMLResponse)

    @pages.get("/live")
    def live() -> str:
        return render("live.html")

    @pages.get("/live/figures")
    def figures() -> HTMLResponse:
        try:
            with transaction(load_settings().dashboards_dsn) as tx:
                shown = read_live(tx, clock())
        except DatabaseError as error:
            return HTMLResponse(render("away.html", error=error), status_code=503)
        return HTMLResponse(render("figures.html", live=shown))

    return pages
