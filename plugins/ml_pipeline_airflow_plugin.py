"""Hangs our pages into Airflow's UI. The name is long because Airflow imports every file here as a top-level module."""

from functools import cache
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from ml_pipeline.dashboards import PREFIX, links


async def pages(scope: Any, receive: Any, send: Any) -> None:
    """Answer with our pages, made at the first request: every process of Airflow imports this, only one serves."""
    await _application()(scope, receive, send)


@cache
def _application() -> Any:
    from airflow.api_fastapi.core_api.security import requires_authenticated
    from fastapi import Depends

    from ml_pipeline.dashboards.app import create_app

    return create_app(guards=[Depends(requires_authenticated())])


class MLPipelinePlugin(AirflowPlugin):
    """The live view behind Airflow's login, and the way from a run to the versions it trained."""

    name = "ml_pipeline"
    fastapi_apps = [{"app": pages, "url_prefix": PREFIX, "name": "ML pipeline"}]  # noqa: RUF012 - Airflow declares it so
    external_views: list[Any] = []  # noqa: RUF012

    @classmethod
    def on_load(cls, *_: Any, **__: Any) -> None:
        """Read the settings when Airflow loads the plugin, not when Python imports it."""
        cls.external_views = links()
