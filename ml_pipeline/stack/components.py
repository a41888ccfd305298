"""What the supervisor starts beside Postgres: MLflow and the four parts of Airflow, as commands and environments."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ml_pipeline.stack.state import Secrets, State, write_private

ADMIN = "admin"

SILENCE = {
    "DO_NOT_TRACK": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "SCARF_ANALYTICS": "false",
}
"""No library reports to its makers."""

AIRFLOW = {
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__API__WORKERS": "1",
    "AIRFLOW__API__EXPOSE_CONFIG": "False",
    # A killed worker's task is noticed after 30 s instead of 5 minutes; its retry then runs.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__CATCHUP_BY_DEFAULT": "False",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
    "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
    "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
}
"""Airflow's settings of every deployment of ours: docker-compose.yaml holds the same."""

MLFLOW = {
    # Job execution is eight more processes and 1.5 GB for features the pipeline does not use.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_SERVE_ARTIFACTS": "true",
    "MLFLOW_WORKERS": "1",
}
"""MLflow's settings of every deployment of ours."""

PARALLELISM = "2"
"""Tasks at once: a core each on the smallest machine that is supported."""


@dataclass(frozen=True, slots=True)
class Component:
    """A program to run: its name in logs and messages, its command and environment."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)


def inherited(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what the components inherit: everything but the settings of some other Airflow or MLflow."""
    # Without bytecode on disk a start compiles its 3,000 modules anew in every process: 70 s of CPU instead of 30.
    foreign = ("AIRFLOW", "MLFLOW_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in environment.items() if not name.startswith(foreign)}
    local = "127.0.0.1,localhost"
    proxies = {name: f"{kept[name]},{local}" if kept.get(name) else local for name in ("NO_PROXY", "no_proxy")}
    return {**kept, **proxies, **SILENCE, "PYTHONUNBUFFERED": "1"}


def mlflow_server(state: State, *, dsn: str, port: int) -> Component:
    """Return the MLflow server: metadata in Postgres, artifacts through its own proxy."""
    hosts = ",".join(f"{host}:{port}" for host in ("127.0.0.1", "localhost"))
    environment = {
        **inherited(),
        **MLFLOW,
        # In the environment, not on the command line, which every user of the machine can read.
        "MLFLOW_BACKEND_STORE_URI": dsn,
        "MLFLOW_ARTIFACTS_DESTINATION": state.artifacts.as_uri(),
        "MLFLOW_SERVER_ALLOWED_HOSTS": hosts,
        "MLFLOW_HOST": "127.0.0.1",
        "MLFLOW_PORT": str(port),
    }
    return Component("mlflow", (sys.executable, "-m", "mlflow", "server"), environment)


def airflow_environment(state: State, project: Path, secrets: Secrets, *, dsn: str, port: int) -> dict[str, str]:
    """Return the settings all of Airflow's parts share."""
    url = f"http://127.0.0.1:{port}"
    return {
        **inherited(),
        **AIRFLOW,
        "AIRFLOW_HOME": str(state.airflow),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": PARALLELISM,
        "AIRFLOW__CORE__DAGS_FOLDER": str(project.resolve() / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(project.resolve() / "plugins"),
        "AIRFLOW__CORE__FERNET_KEY": secrets.fernet,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:ADMIN",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(_passwords(state)),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": dsn.replace("postgresql://", "postgresql+psycopg2://", 1),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__SECRET_KEY": secrets.api,
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.jwt,
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(state.airflow / "logs"),
        "ML_PIPELINE_SETTINGS": str(state.settings),
        # Tasks find ml_pipeline in this checkout, whatever else is installed.
        "PYTHONPATH": os.pathsep.join(filter(None, (str(project.resolve()), os.environ.get("PYTHONPATH")))),
    }


def airflow_parts(environment: Mapping[str, str]) -> tuple[Component, ...]:
    """Return Airflow's four processes, the scheduler last.

    Task logs are read from disk: no part serves them on a port of its own.
    """
    return tuple(
        Component(f"airflow-{part}", (sys.executable, "-m", "airflow", part, *options), environment)
        for part, options in (
            ("api-server", ()),
            ("dag-processor", ()),
            ("triggerer", ("--skip-serve-logs",)),
            ("scheduler", ("--skip-serve-logs",)),
        )
    )


def write_login(state: State, secrets: Secrets) -> None:
    """Give Airflow's simple login its one user."""
    write_private(_passwords(state), json.dumps({ADMIN: secrets.airflow_admin}))


def _passwords(state: State) -> Path:
    return state.airflow / "passwords.json"
