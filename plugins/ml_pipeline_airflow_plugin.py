"""Hangs our pages into Airflow's UI. The name is long because Airflow imports every file here as a top-level module."""

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from ml_pipeline.dashboards import model_versions_link


class MLPipelinePlugin(AirflowPlugin):
    """The way from a run to the versions it trained."""

    name = "ml_pipeline"
    external_views: list[Any] = []  # noqa: RUF012 - Airflow declares it so

    @classmethod
    def on_load(cls, *_: Any, **__: Any) -> None:
        """Read the settings when Airflow loads the plugin, not when Python imports it."""
        cls.external_views = [model_versions_link()]
