"""Continuous learning for conversational sales agents."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_pipeline.online.service import MLPipelineService

__all__ = ["MLPipelineService"]


def __getattr__(name: str) -> Any:
    # Importing the package stays cheap: the service comes when it is asked for.
    if name == "MLPipelineService":
        from ml_pipeline.online.service import MLPipelineService

        return MLPipelineService
    raise AttributeError(f"module 'ml_pipeline' has no attribute {name!r}")
