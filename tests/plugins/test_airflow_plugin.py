import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("ML_PIPELINE_MLFLOW_URI", "http://127.0.0.1:5055/")
    monkeypatch.syspath_prepend(str(PLUGINS))
    from ml_pipeline_airflow_plugin import MLPipelinePlugin

    MLPipelinePlugin.on_load()
    return MLPipelinePlugin


def test_airflows_navigation_leads_to_our_pages_and_to_the_model_versions(plugin):
    leads_to = {view["name"]: view["href"] for view in plugin.external_views}

    assert leads_to["Live"] == "/ml-pipeline/live"
    assert leads_to["Data Docs"] == "/ml-pipeline/data-docs/"
    assert leads_to["Model versions (MLflow)"] == "http://127.0.0.1:5055/#/models"


def test_the_mounted_pages_open_to_nobody_without_a_login(plugin):
    (mounted,) = plugin.fastapi_apps

    async def ask(path: str) -> int:
        transport = httpx.ASGITransport(app=mounted["app"], raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as client:
            return (await client.get(path)).status_code

    answers = [asyncio.run(ask(path)) for path in ("/live", "/live/figures", "/static/pages.css", "/data-docs/")]

    assert answers == [401, 401, 401, 401]


def test_there_is_one_plugin_file_and_its_name_collides_with_nothing():
    files = sorted(path.name for path in PLUGINS.glob("*.py"))

    assert files == ["ml_pipeline_airflow_plugin.py"]
