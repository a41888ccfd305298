"""Old versions are deleted in Postgres and on a real MLflow server; the record of them stays."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from typer.testing import CliRunner

from ml_pipeline.cli import app
from ml_pipeline.errors import RegistryError
from ml_pipeline.jobs import apply_retention as job
from ml_pipeline.models.registry import Registered, cleaning
from ml_pipeline.online.predicting.bundle import encode
from ml_pipeline.stack import components
from tests.conftest import free_port
from tests.integration.events import rows
from tests.integration.policy import bundle, execute
from tests.integration.retraining import client

MODEL = "objection.anticipate"
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[tuple[str, str, Path]]:
    """An MLflow server as the stack starts it, but on SQLite: its address, its database, its artifacts."""
    folder = tmp_path_factory.mktemp("mlflow")
    port, store, artifacts = free_port(), f"sqlite:///{folder}/mlflow.db", folder / "artifacts"
    environment = {
        **components.inherited(), **components.MLFLOW,
        "MLFLOW_BACKEND_STORE_URI": store, "MLFLOW_ARTIFACTS_DESTINATION": artifacts.as_uri(),
        "MLFLOW_HOST": "127.0.0.1", "MLFLOW_PORT": str(port),
    }  # fmt: skip
    started = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server"], env=environment, cwd=folder, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/health")
        yield address, store, artifacts
    finally:
        os.killpg(started.pid, 15)
        started.wait(20)


def _wait_for(address: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(1_800):
        try:
            opener.open(address, timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{address} does not answer")


@pytest.fixture
def database(emptied_database, server, monkeypatch, tmp_path):
    address, store, _ = server
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "MLFLOW_URI": address, "MLFLOW_STORE_URI": store, "KEEP_VERSIONS": "2", "KEEP_VERSIONS_DAYS": "30"
    }.items():  # fmt: skip
        monkeypatch.setenv(f"ML_PIPELINE_{name}", value)
    for version in client().search_model_versions(f"name='{MODEL}'"):
        cleaning.delete(address, Registered(MODEL, int(version.version)))
    return emptied_database


def judge(database, number: int, *states: str, days_ago: float, verdict: str = "PROMOTE") -> None:
    """Keep the record of a version, the last thing of which happened so many days ago."""
    version = f"{MODEL}/{number}"
    digest, content = encode(bundle(version))
    at = NOW - timedelta(days=days_ago)
    decision = execute(
        database,
        "INSERT INTO decisions (decided_at, kind, task, mode, version, verdict, reason, evidence, actor)"
        " VALUES (%s, 'gate', 'objection', 'anticipate', %s, %s, 'judged', %s, 'test') RETURNING decision",
        at, version, verdict, json.dumps({"thresholds": {"trust": 0.4}}),
    )  # fmt: skip
    execute(
        database, "INSERT INTO model_bundles VALUES (%s, 'objection', 'anticipate', %s, %s)", digest, version, content
    )
    for place, state in enumerate(states):
        execute(
            database,
            "INSERT INTO model_rollouts (task, mode, version, state, digest, decision, since, until)"
            " VALUES ('objection', 'anticipate', %s, %s, %s, %s, %s, %s)",
            version, state, digest, decision, at, at if place < len(states) - 1 else None,
        )  # fmt: skip


def kept(database) -> set[int]:
    """The numbers of the versions whose bundles are there."""
    found = rows(database, "SELECT version FROM model_bundles WHERE content IS NOT NULL")
    return {Registered.named(row["version"]).number for row in found}


def test_who_holds_a_state_is_barred_or_would_serve_next_is_kept_whatever_its_age(database, monkeypatch):
    monkeypatch.setenv("ML_PIPELINE_KEEP_VERSIONS", "1")
    states = (
        ("champion", "retired"), ("champion", "retired"), ("champion",), ("holdback",), ("canary",), ("candidate",),
        ("champion", "rolled_back"), ("rejected",), ("retired",), (), ("rejected",),
    )  # fmt: skip
    for number, held in enumerate(states, start=1):
        judge(database, number, *held, days_ago=400 - number)

    counts = job.clean_registry(NOW)

    assert counts["versions"] == 4
    assert kept(database) == {2, 3, 4, 5, 6, 7, 11}


@pytest.mark.parametrize(("days_ago", "newer", "is_kept"), [(31, 2, False), (29, 2, True), (31, 1, True)])
def test_a_version_is_kept_while_it_is_young_or_among_the_newest(database, days_ago, newer, is_kept):
    judge(database, 1, "rejected", days_ago=days_ago)
    for number in range(2, 2 + newer):
        judge(database, number, "rejected", days_ago=1)

    job.clean_registry(NOW)

    assert (1 in kept(database)) is is_kept


def test_what_was_decided_of_a_deleted_version_stays_and_says_that_it_was_deleted(database):
    for number in (1, 2, 3):
        judge(database, number, "rejected", days_ago=50 - number)
    digest, content = encode(bundle(f"{MODEL}/1"))

    job.clean_registry(NOW)
    told = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["explain", "promotion", f"{MODEL}/1"])

    assert f"bundle {digest}, deleted by retention" in told.output
    assert "gate PROMOTE by test" in told.output
    assert "retention DELETED by apply_retention" in told.output
    assert "nothing was decided of it for 30 days, and 2 of its task are newer" in told.output
    (decision,) = rows(database, "SELECT evidence FROM decisions WHERE kind = 'retention'")
    assert decision["evidence"]["bytes"] == len(content)


def test_a_version_whose_bundle_is_deleted_cannot_be_rolled_back_to(database):
    judge(database, 1, "champion", "retired", days_ago=60)
    judge(database, 2, "champion", "retired", days_ago=50)
    judge(database, 3, "champion", days_ago=40)
    judge(database, 4, "rejected", days_ago=39)
    job.clean_registry(NOW)

    done = execute(database, "SELECT rollback_task('objection', 'anticipate', %s, 'why', 'ada')", f"{MODEL}/1")

    assert kept(database) == {2, 3, 4}
    assert (done["status"], "its bundle is deleted" in done["reason"]) == ("refused", True)


def test_the_command_tells_what_would_go_and_changes_nothing_unless_asked_to(database):
    for number in (1, 2, 3):
        judge(database, number, "rejected", days_ago=50 - number)
    command = CliRunner(env={"COLUMNS": "200", "LOGNAME": "olivia"})

    told = command.invoke(app, ["retention"])
    as_json = command.invoke(app, ["retention", "--json"])
    before = kept(database)
    done = command.invoke(app, ["retention", "--delete"])
    after = command.invoke(app, ["retention"])

    assert f"{MODEL}/1" in told.output
    assert f"{MODEL}/2" not in told.output
    assert [one["version"] for one in json.loads(as_json.output)] == [f"{MODEL}/1"]
    assert before == {1, 2, 3}
    assert done.output == "versions 1  deleted 0  runs 0\n"
    assert kept(database) == {2, 3}
    assert after.output.startswith("no version is due; kept: the 2 newest of each task")
    (decision,) = rows(database, "SELECT actor FROM decisions WHERE kind = 'retention'")
    assert decision["actor"] == "olivia"


@pytest.mark.parametrize("role", ["jobs", "dashboards", "capture"])
def test_no_role_deletes_a_bundle_that_is_needed(database, role):
    judge(database, 1, "champion", days_ago=400)

    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        execute(database, "UPDATE model_bundles SET content = NULL", dsn=getattr(database, f"{role}_dsn"))

    assert kept(database) == {1}


def logged(artifacts: Path) -> list[str]:
    return [path.name for path in artifacts.rglob("model.skops")] if artifacts.exists() else []


def train(number: int, text: str = "x") -> tuple[int, str]:
    """Leave in MLflow what a retraining leaves; return version and run."""
    import mlflow
    from sklearn.linear_model import LogisticRegression

    mlflow.set_tracking_uri(os.environ["ML_PIPELINE_MLFLOW_URI"])
    mlflow.set_experiment(MODEL)
    with mlflow.start_run() as run:
        mlflow.log_text(text, "card.md")
        model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
        info: Any = mlflow.sklearn.log_model(
            model, name="model", serialization_format="skops", pip_requirements=["scikit-learn"]
        )
    made = mlflow.register_model(info.model_uri, MODEL, await_registration_for=0)
    return int(made.version), str(run.info.run_id)


def test_what_is_given_up_goes_from_mlflow_with_its_run_and_files_and_can_be_restored_for_a_week(
    database, server, monkeypatch
):
    _, _, artifacts = server
    (first, run), (second, _), (third, _) = train(1), train(2), train(3)
    judge(database, first, "rejected", days_ago=50)
    judge(database, second, "rejected", days_ago=49)
    judge(database, third, "champion", days_ago=48)

    counts = job.clean_registry(NOW)

    assert counts == {"versions": 1, "deleted": 1, "runs": 0}
    assert cleaning.numbers(os.environ["ML_PIPELINE_MLFLOW_URI"], MODEL) == [third, second]
    assert client().get_run(run).info.lifecycle_stage == "deleted"
    assert len(logged(artifacts)) == 3
    monkeypatch.setattr(job, "RESTORABLE", timedelta(0))
    again = job.clean_registry(NOW)
    assert again == {"versions": 0, "deleted": 0, "runs": 0}
    assert len(logged(artifacts)) == 2
    assert not [path for path in artifacts.rglob(f"{run}/**/*") if path.is_file()]
    with pytest.raises(Exception, match=run):
        client().get_run(run)
    assert client().get_model_version(MODEL, str(third)).source


def test_a_run_that_left_no_version_goes_when_it_is_as_old(database, monkeypatch):
    kept_version, _ = train(1)
    judge(database, kept_version, "champion", days_ago=1)
    import mlflow

    with mlflow.start_run() as lost:
        mlflow.log_param("died", "half-way")

    young = job.clean_registry(NOW)
    old = job.clean_registry(NOW + timedelta(days=31))

    assert (young["runs"], old["runs"]) == (0, 1)
    assert client().get_run(lost.info.run_id).info.lifecycle_stage == "deleted"
    assert client().get_model_version(MODEL, str(kept_version)).run_id


def test_where_mlflow_is_down_postgres_has_decided_and_the_next_run_goes_on(database, monkeypatch):
    (first, _), (second, _), (third, _) = train(1), train(2), train(3)
    for number, days_ago in ((first, 50), (second, 49), (third, 48)):
        judge(database, number, "rejected", days_ago=days_ago)
    address = os.environ["ML_PIPELINE_MLFLOW_URI"]
    with monkeypatch.context() as patch:
        patch.setenv("ML_PIPELINE_MLFLOW_URI", "http://127.0.0.1:1")
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        with pytest.raises(RegistryError, match=r"MLflow at http://127\.0\.0\.1:1 did not answer"):
            job.clean_registry(NOW)
    gone = kept(database)

    counts = job.clean_registry(NOW)

    assert gone == {second, third}
    assert counts == {"versions": 0, "deleted": 1, "runs": 0}
    assert cleaning.numbers(address, MODEL) == [third, second]


def test_a_store_of_mlflow_that_cannot_be_reached_is_said_so_and_nothing_of_its_address(database, monkeypatch):
    monkeypatch.setattr("mlflow.store.db.utils.MAX_RETRY_COUNT", 1)
    monkeypatch.setenv("ML_PIPELINE_MLFLOW_STORE_URI", "postgresql://mlflow:secret@127.0.0.1:1/mlflow")

    with pytest.raises(RegistryError, match="mlflow_store_uri is the database of this MLflow") as told:
        job.clean_registry(NOW)

    assert "secret" not in str(told.value)
