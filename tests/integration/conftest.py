"""Fixtures that several modules share."""

from tests.integration.retraining import at, champion, judged, mlflow_uri, stages

__all__ = ["at", "champion", "judged", "mlflow_uri", "stages"]
