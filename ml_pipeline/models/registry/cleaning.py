"""Deletes versions and runs in MLflow, and frees what was deleted; ``uri``: of the server."""

from datetime import datetime, timedelta
from typing import Any

from ml_pipeline.errors import RegistryError
from ml_pipeline.models.registry.connection import mlflow_at
from ml_pipeline.models.registry.version import Registered


def numbers(uri: str, model: str) -> list[int]:
    """Return the numbers of a registered model's versions; none where it is not registered."""
    with mlflow_at(uri, f"list the versions of {model}") as mlflow:
        found = mlflow.MlflowClient().search_model_versions(f"name='{model}'")
    return [int(version.version) for version in found]


def delete(uri: str, version: Registered) -> None:
    """Delete a version, its model file and its run, where no other version came from that run."""
    with mlflow_at(uri, f"delete {version.name}") as mlflow:
        client = mlflow.MlflowClient()
        found = client.get_model_version(version.model, str(version.number))
        client.delete_model_version(version.model, str(version.number))
        if found.run_id and not client.search_model_versions(f"run_id='{found.run_id}'"):
            _delete_run(client, found.run_id)


def delete_runs(uri: str, model: str, before: datetime) -> int:
    """Delete the runs that began before and left no registered version; return how many."""
    with mlflow_at(uri, f"delete old runs of {model}") as mlflow:
        client = mlflow.MlflowClient()
        experiment = client.get_experiment_by_name(model)
        if experiment is None:
            return 0
        named = {version.run_id for version in client.search_model_versions(f"name='{model}'")}
        bound = int(before.timestamp() * 1000)
        began = client.search_runs([experiment.experiment_id], f"attributes.start_time < {bound}")
        left = [run.info.run_id for run in began if run.info.run_id not in named]
        for run_id in left:
            _delete_run(client, run_id)
        return len(left)


def purge(uri: str, store_uri: str, older_than: timedelta) -> None:
    """Free what was deleted so long ago: rows and files; ``store_uri``: MLflow's own database.

    It is ``mlflow gc`` within this process: the address of the database, which holds a password, stands on no command
    line.

    Raises:
        RegistryError: if the database cannot be reached; what was deleted waits for the next time.
    """
    from click import ClickException
    from sqlalchemy.exc import SQLAlchemyError

    with mlflow_at(uri, "free what was deleted"):
        from mlflow.cli import gc

        minutes = older_than // timedelta(minutes=1)
        try:
            gc.main(
                [f"--backend-store-uri={store_uri}", f"--tracking-uri={uri}", f"--older-than={minutes}m",
                 "--artifacts-destination=mlflow-artifacts:/"],
                standalone_mode=False,
            )  # fmt: skip
        except (ClickException, SQLAlchemyError) as error:
            raise RegistryError(
                f"what was deleted in MLflow was not freed, {type(error).__name__}: see that mlflow_store_uri is the"
                " database of this MLflow and can be reached, then run this again"
            ) from error


def _delete_run(client: Any, run_id: str) -> None:
    run = client.get_run(run_id)
    for output in run.outputs.model_outputs if run.outputs else ():
        client.delete_logged_model(output.model_id)
    client.delete_run(run_id)
