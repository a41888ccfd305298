"""What people look at. The plugin in ``plugins/`` hangs it into Airflow's UI."""

from ml_pipeline.dashboards.links import model_versions_link

__all__ = ["model_versions_link"]
