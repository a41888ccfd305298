"""MLflow: runs with their evidence, model files, registered versions, aliases. Nothing else imports it."""

from ml_pipeline.models.registry.registry import Registry
from ml_pipeline.models.registry.version import Registered

__all__ = ["Registered", "Registry"]
