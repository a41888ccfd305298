"""The pages as one application that knows nothing of its host.

Airflow mounts it, or ``ml-pipeline dashboards`` serves it. Links between pages are relative: any prefix will do.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, RedirectResponse, Response

from ml_pipeline.dashboards import data_docs, live_page

STATIC = Path(__file__).parent / "static"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer, unless a page sets its own: nothing from elsewhere, nothing inline."""


def create_app(guards: Sequence[Any] = (), clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> FastAPI:
    """Return the application; ``guards`` are dependencies of every route, such as the host's login."""
    app = FastAPI(title="ML pipeline", dependencies=list(guards), docs_url=None, redoc_url=None, openapi_url=None)
    app.middleware("http")(_add_headers)
    app.include_router(live_page.router(clock))
    app.include_router(data_docs.router())
    app.get("/")(lambda: RedirectResponse("live"))
    app.get("/static/{name}")(_static)
    return app


async def _add_headers(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await answer(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _static(name: str) -> Response:
    """Serve a file of ours; a mounted StaticFiles would stand before the guards."""
    files = {file.name: file for file in STATIC.iterdir()}
    if name not in files:
        raise HTTPException(404)
    return FileResponse(files[name])
