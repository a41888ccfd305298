import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ml_pipeline.errors import RegistryError

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # seven wait two minutes for a server that is down
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


@contextmanager
def mlflow_at(uri: str, what: str) -> Iterator[Any]:
    """Lend the client library, pointed at the server; ``what`` is wanted of it, in words.

    Raises:
        RegistryError: if MLflow does not do it.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import mlflow
    import mlflow.sklearn
    from mlflow.exceptions import MlflowException

    mlflow.set_tracking_uri(uri)
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)  # uv makes environments without pip
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Hint: Inferred schema contains integer")
            yield mlflow
    except (MlflowException, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise RegistryError(
            f"MLflow at {uri} did not {what}: {reason}; see that it runs, then run this again"
        ) from error


@contextmanager
def downloaded(uri: str, artifact: str) -> Iterator[Path]:
    """Lend a local copy of an artifact."""
    with TemporaryDirectory() as folder:
        with mlflow_at(uri, f"read {artifact}") as mlflow:
            path = mlflow.artifacts.download_artifacts(artifact_uri=artifact, dst_path=folder)
        yield Path(path)
