"""The whole stack on one machine: Postgres, MLflow, Airflow, under one supervisor, state in one folder.

with Stack(state=Path(".local"), project=Path("."), say=print) as stack:
    stack.start()
    print(stack.airflow_url, stack.airflow_user, stack.airflow_password)
    stack.watch()
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import msgspec

from ml_pipeline.errors import StackError
from ml_pipeline.stack import components
from ml_pipeline.stack.components import Component
from ml_pipeline.stack.ports import choose_ports
from ml_pipeline.stack.postgres import Postgres
from ml_pipeline.stack.settings_file import write_settings
from ml_pipeline.stack.state import State
from ml_pipeline.stack.store import PIPELINE, Databases
from ml_pipeline.stack.supervisor import Supervisor
from ml_pipeline.vocabulary.dialogue import Source

START_SECONDS = 420.0
"""Thrice a first start on two busy cores; a part that dies is told at once."""
POSTGRES = {"shared_buffers": "128MB", "max_connections": "120", "timezone": "UTC", "log_timezone": "UTC"}
BEATING = ("scheduler", "dag_processor", "triggerer")


class Stack:
    """Every part of the embedded stack. A context manager for the main thread; leaving it ends every process.

    From entry to exit, SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt in the main thread. When a part dies, the
    same happens, and leaving the context then raises StackError with the part's name and the last lines of its log.
    ``say`` is told of progress, a line at a time. ``state`` must be private to this checkout.
    """

    def __init__(self, state: Path, project: Path, say: Callable[[str], None]) -> None:
        self._state = State(state.resolve())
        self._project = project
        self._say = say
        self._supervisor = Supervisor(self._state, project)
        self._ports: dict[str, int] = {}

    def __enter__(self) -> "Stack":
        self._supervisor.__enter__()
        return self

    def __exit__(self, *reason: object) -> None:
        self._say("stopping every part")
        self._supervisor.__exit__(*reason)

    def start(self, source: Source | None = None) -> None:
        """Start everything and return when all of it is healthy; without a ``source`` the tasks of the last start stay.

        Raises:
            StackError: if a part cannot be started, or a named port is taken.
        """
        began = time.monotonic()
        self._started_at = datetime.now(UTC)
        self._ports = choose_ports(self._state.ports())
        self._state.remember_ports(self._ports)
        self._start_postgres()
        self._databases.make_programs(remake_unfinished=True)
        mlflow = components.mlflow_server(self._state, dsn=self._databases.dsn("mlflow"), port=self._ports["mlflow"])
        self._upgrade_mlflow(mlflow)
        self._supervisor.start(mlflow)
        airflow = components.airflow_environment(
            self._state, self._project, self._secrets,
            dsn=self._databases.dsn("airflow"), port=self._ports["airflow"],
        )  # fmt: skip
        components.write_login(self._state, self._secrets)
        self._write_settings(source)
        # Before Airflow's scheduler, whose first tasks need it.
        self._databases.make_pipeline()
        self._say(f"database {PIPELINE} is at the newest schema")
        self._upgrade_airflow(airflow)
        *parts, scheduler = components.airflow_parts(airflow)
        for part in parts:
            self._supervisor.start(part)
        # Last: a task started before the API server answers fails at once and waits for its retry.
        self._wait_for("Airflow's API", lambda: self._airflow_health() is not None)
        self._supervisor.start(scheduler)
        self._wait_for("MLflow", self._is_mlflow_healthy)
        self._databases.record_schema_version("mlflow", version("mlflow"))
        self._wait_for("Airflow", self._is_airflow_healthy)
        self._say(f"everything is healthy after {time.monotonic() - began:.0f} s")

    def watch(self) -> None:
        """Block until a signal asks to stop; a part's death raises StackError when the context is left."""
        try:
            self._supervisor.wait()
        except KeyboardInterrupt:
            return

    @property
    def airflow_url(self) -> str:
        return f"http://127.0.0.1:{self._ports['airflow']}"

    @property
    def airflow_user(self) -> str:
        return components.ADMIN

    @property
    def airflow_password(self) -> str:
        return self._secrets.airflow_admin

    @property
    def mlflow_url(self) -> str:
        return f"http://127.0.0.1:{self._ports['mlflow']}"

    @property
    def jobs_dsn(self) -> str:
        return self._databases.dsn("ml_jobs", PIPELINE)

    @property
    def capture_dsn(self) -> str:
        return self._databases.dsn("ml_capture", PIPELINE)

    @property
    def settings_file(self) -> Path:
        return self._state.settings

    def _start_postgres(self) -> None:
        server = Postgres(self._state.cluster(), self._ports["postgres"])
        self._say(f"Postgres on 127.0.0.1:{server.port}, cluster in {server.folder}")
        try:
            server.initialize()
        except OSError as error:
            raise StackError(f"cannot make a cluster in {server.folder}: {error}") from error
        self._supervisor.start_postgres(server, **POSTGRES)
        self._secrets = self._state.secrets()
        self._databases = Databases(server.dsn(), msgspec.to_builtins(self._secrets))

    def _upgrade_mlflow(self, server: Component) -> None:
        # On an empty database the server makes its tables itself.
        standing = self._databases.schema_version("mlflow")
        if standing and standing != version("mlflow"):
            self._say(f"MLflow's tables go from {standing} to {version('mlflow')}")
            command = (*server.command[:-1], "db", "upgrade", self._databases.dsn("mlflow"))
            self._supervisor.finish(Component("mlflow-upgrade", command, server.environment))

    def _upgrade_airflow(self, environment: dict[str, str]) -> None:
        current = version("apache-airflow-core")
        if self._databases.schema_version("airflow") != current:
            self._say(f"Airflow {current} makes its tables, about 20 s")
            command = (sys.executable, "-m", "airflow", "db", "migrate")
            self._supervisor.finish(Component("airflow-migrate", command, environment))
            self._databases.record_schema_version("airflow", current)

    def _write_settings(self, source: Source | None) -> None:
        values = {
            "jobs_dsn": self.jobs_dsn,
            "capture_dsn": self.capture_dsn,
            "dashboards_dsn": self._databases.dsn("ml_dashboards", PIPELINE),
            "mlflow_uri": self.mlflow_url,
            "mlflow_store_uri": self._databases.dsn("mlflow"),
            "spool": str(self._state.root / "spool"),
            "cache": str(self._state.root / "cache"),
            "data_docs": str(self._state.root / "data_docs"),
            "customer_key": self._secrets.customer_key,
        }
        write_settings(self._state.settings, values, source)

    def _wait_for(self, name: str, is_healthy: Callable[[], bool]) -> None:
        began = time.monotonic()
        while not is_healthy():
            if time.monotonic() - began > START_SECONDS:
                raise StackError(f"{name} does not answer after {START_SECONDS:.0f} s; see {self._state.logs}")
            time.sleep(0.3)
        self._say(f"{name} answers")

    def _is_mlflow_healthy(self) -> bool:
        response = _get(f"{self.mlflow_url}/health")
        return response is not None and response.status_code == httpx.codes.OK

    def _is_airflow_healthy(self) -> bool:
        # 200 is answered whatever the parts do; their state stands in the body, for 30 s that of the last start.
        parts = self._airflow_health() or {}
        beats = [parts.get(name, {}).get(f"latest_{name}_heartbeat") for name in BEATING]
        return all(beat and datetime.fromisoformat(beat) > self._started_at for beat in beats)

    def _airflow_health(self) -> dict[str, Any] | None:
        response = _get(f"{self.airflow_url}/api/v2/monitor/health")
        return response.json() if response is not None and response.status_code == httpx.codes.OK else None


def _get(url: str) -> httpx.Response | None:
    try:
        return httpx.get(url, timeout=5, trust_env=False)
    except httpx.TransportError:
        return None
