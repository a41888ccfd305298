"""What breaks while a task is retrained: a clear message, the old champion serves on, the next run recovers."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from ml_pipeline.database.engine import transaction
from ml_pipeline.errors import DatabaseError, PipelineError, RegistryError, TrainingError
from ml_pipeline.jobs import retrain_models as job
from ml_pipeline.models.publication import settle
from ml_pipeline.models.triggers import store as requests
from tests.conftest import run_as_owner
from tests.integration.dying_worker import die_in
from tests.integration.events import after
from tests.integration.retraining import TASK, client, learn, rows, states, verdicts

STEPS = ("collect", "train", "validate", "publish")


def ask(database) -> None:
    run_as_owner(
        database.owner_dsn,
        "INSERT INTO retraining_requests (request, task, mode, reason, accepted_at)"
        " VALUES (gen_random_uuid(), 'objection', 'detect', 'drift', now())",
    )


def asked(database) -> list[tuple[str, str | None]]:
    found = rows(database, "SELECT state, outcome FROM retraining_requests WHERE source = 'agent'")
    return [(row["state"], row["outcome"]) for row in found]


def locks(database) -> list[dict[str, Any]]:
    return rows(
        database,
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )


def begun(at, step: str) -> Any:
    """Return what ``step`` takes: a stage where the steps before it are done."""
    if step == "collect":
        at("learned")
        return TASK
    if step == "train":
        at("learned")
        (ticket,) = job.collect(TASK)
        return ticket
    return at("judged").ticket


def finish(step: str, argument: Any) -> dict[str, str]:
    """Take ``step`` and those after it; return what was published."""
    for name in STEPS[STEPS.index(step) :]:
        argument = getattr(job, name)(argument)
        argument = argument[0] if name == "collect" else argument
    published: dict[str, str] = argument
    return published


def test_no_labels_at_all(database, mlflow_uri):
    run_as_owner(database.owner_dsn, "DELETE FROM labels")

    counts = job.run(TASK)

    assert counts[TASK] == "not_enough_data"
    (decision,) = rows(database, "SELECT reason FROM decisions")
    assert decision["reason"].startswith("no customer turn of a trusted hour has a known truth for objection")


def test_one_class_only(database, mlflow_uri):
    run_as_owner(database.owner_dsn, "UPDATE labels SET labels = '{}' WHERE task = 'objection'")

    job.run(TASK)

    (decision,) = rows(database, "SELECT reason FROM decisions")
    assert decision["reason"].startswith("no label has 5 examples of either class in the training part: price 0 of")


def test_a_label_nobody_defined_is_counted_and_teaches_nothing(database, mlflow_uri):
    run_as_owner(
        database.owner_dsn,
        "UPDATE labels SET labels = labels || '{delivery}' WHERE task = 'objection' AND labels @> '{trust}'",
    )

    job.run(TASK)

    (decision,) = rows(database, "SELECT verdict, evidence FROM decisions WHERE kind = 'gate'")
    assert decision["verdict"] == "PROMOTE"
    assert decision["evidence"]["dataset"]["unknown_labels"]["delivery"] > 0


def test_a_language_nobody_heard_before(database, champion):
    learn(database, range(120, 160))
    run_as_owner(
        database.owner_dsn,
        "UPDATE turns SET content = 'ありがとう、でも高すぎます' WHERE conversation_id IN"
        " (SELECT conversation_id FROM conversations ORDER BY started_at DESC LIMIT 10) AND role = 'user'",
        'UPDATE predictions SET feature_digest = NULL, context = context || \'{"language": "ja"}\'',
    )

    counts = job.run(TASK)

    assert counts["held"] == 1
    assert states(database)[0] == (champion, "champion")


def test_an_interval_without_data(database, mlflow_uri):
    counts = job.run(TASK, start=after(days=400), end=after(days=401))

    assert counts[TASK] == "not_enough_data"


def test_an_interval_bounds_what_teaches_and_judges(database, mlflow_uri):
    end = after(hours=100)

    job.run(TASK, end=end)

    (decision,) = rows(database, "SELECT evidence FROM decisions WHERE kind = 'gate'")
    split = decision["evidence"]["split"]
    assert datetime.fromisoformat(split["gate"]["to"]) < end
    assert sum(split[part]["conversations"] for part in ("train", "calibration", "gate")) <= 100
    (request,) = rows(database, "SELECT to_at, state, outcome FROM retraining_requests")
    assert request == {"to_at": end, "state": "done", "outcome": request["outcome"]}


def test_an_interval_that_is_none_is_refused_before_anything_is_asked(database, mlflow_uri):
    with pytest.raises(TrainingError, match="ends before it starts"):
        job.collect_for_run({"start": "2026-03-02", "end": "2026-03-01"})

    assert rows(database, "SELECT 1 FROM retraining_requests") == []


@pytest.mark.parametrize("step", STEPS)
def test_mlflow_is_down(database, at, monkeypatch, step):
    argument = begun(at, step)
    ask(database)
    with monkeypatch.context() as away:
        away.setenv("ML_PIPELINE_MLFLOW_URI", "http://127.0.0.1:9")
        away.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        with pytest.raises(RegistryError, match=r"MLflow at http://127\.0\.0\.1:9 did not .*; see that it runs"):
            getattr(job, step)(argument)
    left = verdicts(database), states(database), asked(database)

    published = finish(step, argument)

    assert left == ([], [], [("open", None)])
    assert published == {"task": TASK, "outcome": "promoted", "version": f"{TASK}/1"}
    assert states(database) == [(f"{TASK}/1", "champion")]


@pytest.mark.parametrize("step", STEPS)
def test_postgres_is_down(database, at, monkeypatch, step):
    argument = begun(at, step)
    with monkeypatch.context() as away:
        away.setenv("ML_PIPELINE_JOBS_DSN", "postgresql://ml_jobs@127.0.0.1:9/away")
        with pytest.raises(DatabaseError, match=r"cannot reach Postgres: .*; start the stack"):
            getattr(job, step)(argument)
    left = verdicts(database), states(database)

    finish(step, argument)

    assert left == ([], [])
    assert states(database) == [(f"{TASK}/1", "champion")]


def test_postgres_cuts_the_connection_half_way_through_publication(database, judged, monkeypatch):
    def cut(tx: Any, *args: Any) -> Any:
        settled = settle(tx, *args)
        with tx.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return settled

    with monkeypatch.context() as patch:
        patch.setattr("ml_pipeline.jobs.retrain_models.settle", cut)
        with pytest.raises(DatabaseError, match=r"Postgres ended the connection: .*; nothing is half done"):
            job.publish(judged)
    left = verdicts(database), states(database), rows(database, "SELECT 1 FROM model_bundles")

    job.publish(judged)

    assert left == ([], [], [])
    assert states(database) == [(f"{TASK}/1", "champion")]


DEATHS = {
    "collect, having taken the requests": ("collect", "requests", "take", False),
    "collect, having opened a run": ("collect", "Registry", "start", False),
    "train, before the model is kept": ("train", "Registry", "log_training", True),
    "train, the model just kept": ("train", "Registry", "log_training", False),
    "validate, before the evidence is kept": ("validate", "Registry", "log_assessment", True),
    "publish, the version just registered": ("publish", "Registry", "register", False),
    "publish, before the commit": ("publish", "", "settle", False),
    "publish, just committed": ("publish", "", "_mirror", True),
}


@pytest.mark.parametrize("death", DEATHS)
def test_a_worker_is_killed(database, at, death):
    step, owner, function, before = DEATHS[death]
    argument = begun(at, step)
    ask(database)

    ended = die_in(step, argument, owner, function, before=before)
    left = locks(database)
    finish(step, argument)

    assert ended == -signal.SIGKILL
    assert left == []
    assert states(database) == [(f"{TASK}/1", "champion")]
    assert len(verdicts(database)) == 1
    assert str(client().get_registered_model(TASK).aliases["champion"]) == "1"
    job.run(TASK)
    assert [state for state, _ in asked(database)] == ["done"]
    assert len(verdicts(database)) == 1


def test_a_run_that_died_for_good_is_replaced_by_another_and_its_version_is_never_called_passed(database, at):
    ticket = at("judged").ticket
    die_in("publish", ticket, "Registry", "register", before=False)

    job.run(TASK)

    assert states(database) == [(f"{TASK}/2", "champion")]
    assert "gate" not in client().get_model_version(TASK, "1").tags
    assert client().get_model_version(TASK, "2").tags["gate"] == "PROMOTE"


def test_a_request_whose_run_died_is_taken_by_the_run_that_the_next_look_starts(database, mlflow_uri):
    ask(database)
    job.collect_for_run({}, is_woken=True)
    taken = asked(database)

    (ticket,) = job.collect_for_run({}, is_woken=True)
    finish("train", ticket)

    assert taken == [("taken", None)]
    assert asked(database) == [("done", "promoted")]
    assert rows(database, "SELECT attempts FROM retraining_requests") == [{"attempts": 2}]


def test_a_run_that_nobody_asked_for_any_more_does_nothing(database, mlflow_uri):
    assert job.collect_for_run({}, is_woken=True) == []


def test_a_run_by_hand_that_is_tried_again_has_asked_once(database, mlflow_uri):
    form = {"task": TASK, "reason": "new offers"}
    for _ in range(2):
        job.collect_for_run(form, run_id="manual__1", actor="ana")

    found = rows(database, "SELECT source, actor, reason, attempts FROM retraining_requests")
    assert found == [{"source": "person", "actor": "ana", "reason": "new offers", "attempts": 2}]


def test_a_run_by_hand_that_failed_is_due_by_itself(database, mlflow_uri, monkeypatch):
    with monkeypatch.context() as away:
        away.setenv("ML_PIPELINE_MLFLOW_URI", "http://127.0.0.1:9")
        away.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        with pytest.raises(RegistryError):
            job.collect_for_run({"task": TASK}, run_id="manual__1")

    with transaction() as tx:
        due = requests.count_due(tx, datetime.now(UTC))
    (ticket,) = job.collect_for_run({}, is_woken=True)

    assert due == 1
    assert ticket["task"] == TASK


@contextmanager
def full_disk(free_bytes: int = 2_048) -> Iterator[None]:
    """Let no file of this process grow beyond ``free_bytes``, as if the disk had no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("step", STEPS[:3])
def test_the_disk_is_full_while_logging(database, at, step):
    argument = begun(at, step)
    with (
        full_disk(),
        pytest.raises(PipelineError, match=r"MLflow at .* did not .*; see that it runs, then run this again"),
    ):
        getattr(job, step)(argument)
    left = verdicts(database), states(database)

    finish(step, argument)

    assert left == ([], [])
    assert states(database) == [(f"{TASK}/1", "champion")]
