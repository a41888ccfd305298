import json

import httpx
import pytest

from ml_pipeline.errors import StackError
from ml_pipeline.stack.airflow_api import AirflowApi, DagRun


class FakeAirflow:
    """Answers like Airflow's API; a run goes through ``states``, one a look."""

    def __init__(self, states: list[str]) -> None:
        self.states = states
        self.triggered: list[dict[str, object]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            return httpx.Response(201, json={"access_token": "secret"})
        if request.headers.get("Authorization") != "Bearer secret":
            return httpx.Response(401, json={"detail": "Not authenticated"})
        if request.method == "POST":
            self.triggered.append(json.loads(request.content))
            return httpx.Response(200, json={"dag_run_id": "manual__1", "state": "queued"})
        return httpx.Response(200, json={"state": self.states.pop(0) if len(self.states) > 1 else self.states[0]})


def api(airflow: FakeAirflow) -> AirflowApi:
    return AirflowApi("http://airflow", "admin", "password", transport=httpx.MockTransport(airflow))


def test_a_triggered_run_carries_its_form_and_no_interval():
    airflow = FakeAirflow(["queued"])

    run = api(airflow).trigger("retrain_models", task="objection")

    assert run == DagRun("retrain_models", "manual__1", "queued")
    assert airflow.triggered == [{"logical_date": None, "conf": {"task": "objection"}}]


def test_following_tells_every_change_until_the_run_ends():
    airflow = FakeAirflow(["queued", "running", "running", "failed"])
    seen: list[str] = []

    (ended,) = api(airflow).follow(
        [DagRun("ingest_events", "manual__1", "queued")],
        lambda run: seen.append(run.state),
        timeout_seconds=60,
        sleep=lambda _: None,
    )

    assert ended.state == "failed"
    assert seen == ["running", "failed"]


def test_a_run_that_never_ends_is_named():
    with pytest.raises(StackError, match="ingest_events did not end within 0 s"):
        api(FakeAirflow(["running"])).follow(
            [DagRun("ingest_events", "manual__1", "running")],
            lambda _: None,
            timeout_seconds=0,
            sleep=lambda _: None,
        )


def test_a_refusal_says_what_was_asked_and_what_came_back():
    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, text="Invalid credentials")

    with pytest.raises(StackError, match=r"POST /auth/token: 401 Invalid credentials"):
        AirflowApi("http://airflow", "admin", "wrong", transport=httpx.MockTransport(refuse))
