"""``databases``: make roles, databases and schema on a Postgres that somebody else runs."""

import os

import typer

from ml_pipeline.errors import SettingsError
from ml_pipeline.stack.store import PIPELINE_ROLES, PROGRAMS, Databases

OWNER = "ML_PIPELINE_OWNER_DSN"


def databases() -> None:
    """Make roles, databases and schema on any Postgres from 16 on; run again after an upgrade.

    ML_PIPELINE_OWNER_DSN is the owner's URL; each role's password is ML_PIPELINE_DB_PASSWORD_<ROLE>, the roles being
    ML_CAPTURE, ML_JOBS, ML_DASHBOARDS, AIRFLOW and MLFLOW.
    """
    passwords = {role: _required(f"ML_PIPELINE_DB_PASSWORD_{role.upper()}") for role in (*PIPELINE_ROLES, *PROGRAMS)}
    server = Databases(_required(OWNER), passwords)
    server.make_programs()
    server.make_pipeline()
    typer.echo("databases ml_pipeline, airflow and mlflow are ready")


def _required(variable: str) -> str:
    value = os.environ.get(variable, "")
    if not value:
        raise SettingsError(f"{variable} is not set; see .env.example")
    return value
