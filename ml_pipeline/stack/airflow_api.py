"""What the loop asks of Airflow: trigger a DAG, follow its run. Airflow's public REST API, version 2."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from ml_pipeline.errors import StackError

ENDED = ("success", "failed")


@dataclass(frozen=True, slots=True)
class DagRun:
    """A run of a DAG and the state it was last seen in."""

    dag_id: str
    run_id: str
    state: str


class AirflowApi:
    """Speaks to one Airflow as one user.

    Raises:
        StackError: from every method, when Airflow refuses or cannot be reached.
    """

    def __init__(self, url: str, user: str, password: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._client = httpx.Client(base_url=url, timeout=30, transport=transport)
        token = self._call("POST", "/auth/token", {"username": user, "password": password})["access_token"]
        self._client.headers["Authorization"] = f"Bearer {token}"

    def trigger(self, dag_id: str, **conf: Any) -> DagRun:
        """Start a run now, with ``conf`` as its form's values."""
        # logical_date must be present and may be null: a manual run that stands for no interval.
        run = self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})
        return DagRun(dag_id, run["dag_run_id"], run["state"])

    def refresh(self, run: DagRun) -> DagRun:
        """Return ``run`` with its present state."""
        found = self._call("GET", f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}")
        return DagRun(run.dag_id, run.run_id, found["state"])

    def follow(
        self,
        runs: list[DagRun],
        on_change: Callable[[DagRun], None],
        *,
        timeout_seconds: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> list[DagRun]:
        """Wait until every run has ended, telling each change of state; return them as they ended.

        Raises:
            StackError: if one has not ended after ``timeout_seconds``.
        """
        deadline = time.monotonic() + timeout_seconds
        current = list(runs)
        while any(run.state not in ENDED for run in current):
            if time.monotonic() > deadline:
                waiting = ", ".join(run.dag_id for run in current if run.state not in ENDED)
                raise StackError(
                    f"{waiting} did not end within {timeout_seconds:.0f} s; look at its log in the Airflow UI"
                )
            sleep(1.0)
            for place, run in enumerate(current):
                if run.state in ENDED:
                    continue
                current[place] = self.refresh(run)
                if current[place].state != run.state:
                    on_change(current[place])
        return current

    def is_known(self, dag_id: str) -> bool:
        """Tell whether the DAG has been parsed."""
        response = self._client.get(f"/api/v2/dags/{dag_id}")
        return response.status_code == httpx.codes.OK

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            response = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise StackError(f"Airflow did not answer {method} {path}: {error}; see .local/logs/") from error
        if response.is_error:
            raise StackError(f"Airflow refused {method} {path}: {response.status_code} {response.text[:300]}")
        answer: dict[str, Any] = response.json()
        return answer
