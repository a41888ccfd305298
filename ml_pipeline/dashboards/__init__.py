"""What people look at. The plugin in ``plugins/`` hangs it into Airflow's UI; ``app`` serves the pages."""

from ml_pipeline.dashboards.links import PREFIX, links

__all__ = ["PREFIX", "links"]
