"""Retraining on a real Postgres and a real MLflow store."""

import math
import shutil
import threading
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from ml_pipeline.database.engine import engine, transaction
from ml_pipeline.errors import BundleError, RegistryError, TrainingError
from ml_pipeline.jobs import ingest_events
from ml_pipeline.jobs import retrain_models as job
from ml_pipeline.models import store
from ml_pipeline.models.candidates import search
from ml_pipeline.models.registry import Registry
from ml_pipeline.online.predicting.bundle import LinearBundle, Sample, decode, encode
from ml_pipeline.online.predicting.features import feature_row
from ml_pipeline.online.predicting.predictor import Predictor
from ml_pipeline.settings import load_settings
from ml_pipeline.stack.postgres import Postgres
from tests.conftest import Database, run_as_owner
from tests.integration.events import Event, after, append, label, outcome, prediction, turn

SETTINGS = """
gate_min_positives = 15
label_days = 0.1
[[tasks]]
name = "objection"
kind = "multi-label"
labels = ["price", "trust"]
mode = "detect"
scope = "turn"
primary_metric = "macro_ap"
[[tasks]]
name = "needs"
kind = "multi-label"
labels = ["information"]
mode = "detect"
scope = "turn"
primary_metric = "macro_ap"
"""
SAID = {
    (): ("Yes, go on please.", "Sí, cuénteme más.", "Good morning, how are you?", "Muy bien, gracias."),
    ("price",): ("That is too expensive.", "Es demasiado caro para mí.", "I cannot afford that price."),
    ("trust",): ("I do not believe you.", "No confío, ¿es una estafa?", "Sounds like a scam to me."),
}
TASK = "objection.detect"


def conversation(number: int) -> list[Event]:
    """Return four exchanges, the agent's own poor guesses, an outcome, and what a person said of each turn later."""
    generator = np.random.default_rng(number)
    name, start = f"call {number}", number * 3_600.0
    events = [outcome(name, "completed", at=after(start + 600))]
    for exchange in range(4):
        labels = list(SAID)[generator.choice(3, p=[0.64, 0.2, 0.16])]
        asked, said = 2 * exchange, 2 * exchange + 1
        guess = {"price": round(float(generator.random()), 3), "trust": 0.1}
        events += [
            turn(
                name, asked, f"Tell me more, {generator.integers(30)}?", role="assistant", at=after(start + asked * 10)
            ),
            turn(name, said, str(generator.choice(SAID[labels])), at=after(start + said * 10)),
            prediction(name, said, probabilities=guess, mode="detect", at=after(start + said * 10)),
            label(name, "objection", labels, number=said, at=after(start + 900)),
        ]
    # Replayed, so that each thing was learnt when it happened, not now.
    return [{**event, "source": "floor"} for event in events]


def learn(database: Database, numbers: range) -> None:
    """Take conversations in and trust every hour."""
    append(database, [event for number in numbers for event in conversation(number)])
    ingest_events.run()
    run_as_owner(database.owner_dsn, "UPDATE quality_verdicts SET state = 'trusted'")


def rows(database: Database, statement: str) -> list[dict[str, Any]]:
    with transaction(database.owner_dsn) as tx, tx.cursor() as cursor:
        cursor.execute(statement)
        return [dict(row) for row in cursor.fetchall()]


def states(database: Database) -> list[tuple[str, str]]:
    """Return (version, state) of the rollouts that hold."""
    found = rows(database, "SELECT version, state FROM model_rollouts WHERE until IS NULL ORDER BY rollout")
    return [(row["version"], row["state"]) for row in found]


def verdicts(database: Database) -> list[tuple[str, str, str]]:
    found = rows(database, "SELECT task, version, verdict FROM decisions ORDER BY decided_at")
    return [(row["task"], row["version"], row["verdict"]) for row in found]


@dataclass(frozen=True)
class Stage:
    """A point on the way that many tests start from: a database to clone, a copy of MLflow's, the ticket."""

    template: str
    mlflow: Path
    ticket: dict[str, str]


@pytest.fixture(scope="module")
def stages(cluster: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Stage]]:
    """``learned``: 120 labelled conversations. ``judged``: a candidate before publication. ``champion``: it serves."""
    folder = tmp_path_factory.mktemp("stages")
    database = Database(cluster, "stages_of_models")
    run_as_owner(cluster.dsn(), f"CREATE DATABASE {database.name} TEMPLATE template_pipeline STRATEGY wal_log")
    kept: dict[str, Stage] = {}

    def keep(stage: str, ticket: dict[str, str]) -> None:
        engine(database.jobs_dsn).dispose()
        engine(database.owner_dsn).dispose()
        run_as_owner(cluster.dsn(), f"CREATE DATABASE {stage}_models TEMPLATE {database.name} STRATEGY wal_log")
        kept[stage] = Stage(f"{stage}_models", folder / f"{stage}.db", ticket)
        shutil.copy(folder / "mlflow.db", kept[stage].mlflow)

    with pytest.MonkeyPatch.context() as patch, chdir(folder):
        point_at(folder, patch)
        patch.setenv("ML_PIPELINE_JOBS_DSN", database.jobs_dsn)
        learn(database, range(120))
        Registry(load_settings().mlflow_uri).reach()
        keep("learned", {})
        (ticket,) = job.collect(TASK)
        keep("judged", job.validate(job.train(ticket)))
        job.publish(ticket)
        keep("champion", ticket)
    yield kept
    names = [database.name, *(stage.template for stage in kept.values())]
    run_as_owner(cluster.dsn(), *(f"DROP DATABASE {name} WITH (FORCE)" for name in names))


def point_at(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let the process's settings lie in ``folder``, MLflow's database beside them."""
    (folder / "settings.toml").write_text(SETTINGS, encoding="utf-8")
    patch.setenv("ML_PIPELINE_SETTINGS", str(folder / "settings.toml"))
    patch.setenv("ML_PIPELINE_MLFLOW_URI", f"sqlite:///{folder}/mlflow.db")
    patch.setattr(search, "STRENGTHS", (3.0,))  # the search is tested by itself; here it costs half the time


class At:
    """Puts the test's database and MLflow at a stage; returns it."""

    def __init__(self, cluster: Postgres, database: Database, folder: Path, stages: dict[str, Stage]) -> None:
        self._cluster, self._database, self._folder, self._stages = cluster, database, folder, stages

    def __call__(self, name: str) -> Stage:
        stage = self._stages[name]
        run_as_owner(
            self._cluster.dsn(),
            f"DROP DATABASE {self._database.name} WITH (FORCE)",
            f"CREATE DATABASE {self._database.name} TEMPLATE {stage.template} STRATEGY wal_log",
        )
        shutil.copy(stage.mlflow, self._folder / "mlflow.db")
        return stage


@pytest.fixture
def at(
    cluster: Postgres,
    database: Database,
    stages: dict[str, Stage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> At:
    monkeypatch.chdir(tmp_path)
    point_at(tmp_path, monkeypatch)
    return At(cluster, database, tmp_path, stages)


@pytest.fixture
def mlflow_uri(at: At) -> str:
    """Stage ``learned``; the URI of this test's MLflow."""
    at("learned")
    return load_settings().mlflow_uri


@pytest.fixture
def judged(at: At) -> dict[str, str]:
    """Stage ``judged``; the ticket of a candidate that waits for publication."""
    return at("judged").ticket


@pytest.fixture
def champion(at: At) -> str:
    """Stage ``champion``; its name."""
    at("champion")
    return f"{TASK}/1"


def client() -> Any:
    from mlflow import MlflowClient

    return MlflowClient(load_settings().mlflow_uri)


def test_a_candidate_better_than_prior_rule_and_caller_becomes_the_first_champion(database, mlflow_uri):
    counts = job.run(reason="first of all")

    assert counts == {
        "promoted": 1,
        "held": 0,
        "not_enough_data": 1,
        "unchanged": 0,
        TASK: "promoted",
        "needs.detect": "not_enough_data",
    }
    assert states(database) == [(f"{TASK}/1", "champion")]
    with transaction() as tx:
        decided = store.latest_decisions(tx)
    assert decided["needs"]["verdict"] == "NOT ENOUGH DATA"
    assert "known truth for needs" in decided["needs"]["reason"]
    found = decided["objection"]
    assert (found["version"], found["verdict"]) == (f"{TASK}/1", "PROMOTE")
    assert set(found["baselines"]) == {"prior.macro_ap", "rule.macro_ap", "caller.macro_ap"}
    assert found["metrics"]["macro_ap"]["low"] > max(found["baselines"].values())
    assert found["split"]["gate"]["conversations"] == 30


def test_what_is_published_is_what_the_agent_can_run(database, champion):
    (policy,) = rows(database, "SELECT document FROM policy")
    (model,) = policy["document"]["models"]
    (bundle,) = rows(database, "SELECT digest, content FROM model_bundles")

    predictor = Predictor(decode(bytes(bundle["content"]), model["digest"]))

    assert (model["version"], model["state"], model["digest"]) == (champion, "champion", bundle["digest"])
    said = [("assistant", "Shall we?"), ("user", "That is too expensive.")]

    answer = predictor.predict(feature_row(said, {})).probabilities
    assert answer["price"] > 0.5 > answer["trust"]


def test_mlflow_holds_the_evidence_and_no_pickle(champion):
    mlflow = client()

    version = mlflow.get_model_version_by_alias(TASK, "champion")
    run = mlflow.get_run(version.run_id)

    assert str(version.version) == "1"
    assert version.tags["gate"] == "PROMOTE"
    assert version.description.startswith("# objection, detect: PROMOTE")
    assert {artifact.path for artifact in mlflow.list_artifacts(version.run_id)} >= {
        "card.md",
        "evidence.json",
        "frozen_rows.csv.gz",
        "calibration.png",
        "precision_recall.png",
    }
    assert run.inputs.dataset_inputs[0].dataset.digest == run.data.tags["dataset_digest"][:32]
    assert run.data.metrics["macro_ap_low"] <= run.data.metrics["macro_ap"] <= run.data.metrics["macro_ap_high"]
    assert "random_split_macro_ap" in run.data.metrics
    model = Path(
        mlflow.get_logged_model(version.source.removeprefix("models:/")).artifact_location.removeprefix("file://")
    )
    assert {file.name for file in model.iterdir()} >= {"model.skops", "input_example.json"}
    assert not [file for file in model.iterdir() if file.suffix in (".pkl", ".pickle")]
    assert 'signature:\n  inputs: \'[{"type": "string", "name": "current"' in (model / "MLmodel").read_text()


def test_the_same_rows_are_not_judged_twice(database, champion):
    counts = job.run(TASK)

    assert counts["unchanged"] == 1
    assert len(verdicts(database)) == 1


def test_a_candidate_no_better_than_the_champion_is_held_and_stays_visible(database, champion):
    learn(database, range(120, 160))

    job.run(TASK)

    assert states(database) == [(champion, "champion"), (f"{TASK}/2", "rejected")]
    assert verdicts(database)[-1] == ("objection", f"{TASK}/2", "HOLD")
    assert client().get_model_version(TASK, "2").tags["gate"] == "HOLD"
    assert str(client().get_model_version_by_alias(TASK, "champion").version) == "1"
    (decision,) = rows(database, "SELECT evidence FROM decisions WHERE verdict = 'HOLD'")
    assert decision["evidence"]["champion"] == champion
    assert set(decision["evidence"]["gains"]) == {champion}


def test_a_candidate_better_than_the_champion_replaces_it(database, champion):
    blind(database)
    learn(database, range(120, 160))

    job.run(TASK)

    assert states(database) == [(champion, "retired"), (f"{TASK}/2", "champion")]
    aliases = client().get_registered_model(TASK).aliases
    assert {name: str(version) for name, version in aliases.items()} == {"champion": "2", "previous": "1"}
    (policy,) = rows(database, "SELECT document FROM policy")
    assert [model["version"] for model in policy["document"]["models"]] == [f"{TASK}/2"]


def blind(database: Database) -> None:
    """Let the champion's bundle forget all it learnt: it answers the same to everything."""
    (held,) = rows(database, "SELECT digest, content FROM model_bundles")
    model = decode(bytes(held["content"]), held["digest"]).model
    assert isinstance(model, LinearBundle)
    same = {
        name: 1 / (1 + math.exp(model.calibration[name].a * model.intercepts[name] + model.calibration[name].b))
        for name in model.labels
    }
    forgetful = msgspec.structs.replace(  # without its parts: no word means anything
        model,
        coefficients={name: [0.0] * len(weights) for name, weights in model.coefficients.items()},
        samples=[Sample(model.samples[0].row, same)],
    )
    digest, content = encode(forgetful)
    with transaction(database.owner_dsn) as tx, tx.cursor() as cursor:
        cursor.execute(
            "INSERT INTO model_bundles VALUES (%s, 'objection', 'detect', 'forgetful', %s)", (digest, content)
        )
        cursor.execute("UPDATE model_rollouts SET digest = %s", (digest,))


def test_requests_are_done_once_their_task_was_judged(database, mlflow_uri):
    ask = "INSERT INTO retraining_requests VALUES (gen_random_uuid(), 'objection', 'detect', 'drift')"
    run_as_owner(database.owner_dsn, ask, ask.replace("objection", "needs"))
    job.run(dry_run=True)
    untouched = rows(database, "SELECT DISTINCT state FROM retraining_requests")
    job.run()
    run_as_owner(database.owner_dsn, ask)
    job.run(TASK)

    assert untouched == [{"state": "open"}]
    done = rows(database, "SELECT task, outcome FROM retraining_requests WHERE state = 'done' ORDER BY done_at, task")
    assert [(row["task"], row["outcome"]) for row in done] == [
        ("needs", "not_enough_data"),
        ("objection", "promoted"),
        ("objection", "unchanged"),
    ]


def test_a_dry_run_judges_and_publishes_nothing(database, mlflow_uri):
    counts = job.run(dry_run=True)

    assert (counts["promoted"], counts["not_enough_data"]) == (1, 1)
    assert verdicts(database) == []
    assert states(database) == []
    assert client().search_registered_models() == []


def test_hours_that_are_not_trusted_teach_nothing(database, mlflow_uri):
    run_as_owner(database.owner_dsn, "UPDATE quality_verdicts SET state = 'held'")

    counts = job.run(TASK)

    assert counts["not_enough_data"] == 1
    (decision,) = rows(database, "SELECT reason FROM decisions")
    assert "472 turns left out: the hour its truth came from is not trusted" in decision["reason"]


def test_without_mlflow_nothing_is_begun_and_the_champion_serves_on(database, champion, tmp_path, monkeypatch):
    monkeypatch.setenv("ML_PIPELINE_MLFLOW_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    learn(database, range(120, 160))

    with pytest.raises(RegistryError, match=r"MLflow at http://127\.0\.0\.1:9 did not answer"):
        job.run(TASK)

    assert states(database) == [(champion, "champion")]
    assert len(verdicts(database)) == 1


def test_a_bundle_that_answers_otherwise_is_not_published(database, judged, monkeypatch):
    def refuse(*_: object) -> int:
        raise BundleError("bundle answers .1 off the model it came from; it may not serve")

    monkeypatch.setattr(job, "prove", refuse)

    with pytest.raises(BundleError):
        job.publish(judged)

    assert verdicts(database) == []
    assert states(database) == []


def test_a_failure_half_way_through_publication_leaves_nothing_and_the_retry_completes_it(
    database, judged, monkeypatch
):
    run_as_owner(database.owner_dsn, "REVOKE EXECUTE ON FUNCTION publish_policy() FROM ml_jobs")
    with pytest.raises(Exception, match="permission denied"):
        job.publish(judged)
    left = (verdicts(database), states(database), rows(database, "SELECT FROM model_bundles"))
    run_as_owner(database.owner_dsn, "GRANT EXECUTE ON FUNCTION publish_policy() TO ml_jobs")

    published = job.publish(judged)

    assert left == ([], [], [])
    assert published == {"task": TASK, "outcome": "promoted", "version": f"{TASK}/1"}
    assert states(database) == [(f"{TASK}/1", "champion")]


def test_an_alias_that_could_not_be_set_undoes_nothing_and_is_set_next_time(database, judged, monkeypatch):
    def fail(*_: object) -> None:
        raise RegistryError("MLflow is away")

    with monkeypatch.context() as patch:
        patch.setattr(Registry, "mirror", fail)
        published = job.publish(judged)
    aliases_then = client().get_registered_model(TASK).aliases

    job.run(TASK)

    assert published["outcome"] == "promoted"
    assert states(database) == [(f"{TASK}/1", "champion")]
    assert aliases_then == {}
    assert str(client().get_registered_model(TASK).aliases["champion"]) == "1"


def test_two_retrainings_at_once_make_one_champion(database, judged):
    (other,) = job.collect(TASK)
    job.validate(job.train(other))
    outcomes: list[str] = []
    threads = [threading.Thread(target=lambda t=t: outcomes.append(job.publish(t)["outcome"])) for t in (judged, other)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["promoted", "unchanged"]
    assert len(verdicts(database)) == 1
    assert [state for _, state in states(database)] == ["champion"]


def test_publishing_twice_changes_nothing(database, champion, stages):
    before = (verdicts(database), states(database), rows(database, "SELECT n FROM policy_snapshots"))

    published = job.publish(stages["champion"].ticket)

    assert published == {"task": TASK, "outcome": "unchanged", "version": champion}
    assert (verdicts(database), states(database), rows(database, "SELECT n FROM policy_snapshots")) == before


def test_a_candidate_judged_against_nobody_does_not_replace_who_came_meanwhile(database, judged):
    learn(database, range(120, 160))
    job.run(TASK)
    (first,) = states(database)

    published = job.publish(judged)

    assert published["outcome"] == "held"
    assert states(database)[0] == first
    (decision,) = rows(database, "SELECT reason FROM decisions WHERE verdict = 'HOLD'")
    assert decision["reason"].startswith(f"{first[0]} became champion while this was judged against no champion")


def test_facts_that_vanish_while_training_stop_it_with_a_clear_message(database, mlflow_uri):
    (ticket,) = job.collect(TASK)
    run_as_owner(database.owner_dsn, "DELETE FROM turns WHERE turn = 1")

    with pytest.raises(TrainingError, match=r"frozen rows of objection no longer read the same"):
        job.train(ticket)


def test_a_late_event_that_reopens_an_hour_does_not_stop_a_training_under_way(database, mlflow_uri):
    (ticket,) = job.collect(TASK)
    run_as_owner(database.owner_dsn, "UPDATE quality_verdicts SET state = 'pending'")

    published = job.publish(job.validate(job.train(ticket)))

    assert published["outcome"] == "promoted"


def test_a_registry_that_counts_anew_cannot_give_an_old_name_to_another_model(database, champion, stages, tmp_path):
    learn(database, range(120, 160))
    shutil.copy(stages["learned"].mlflow, tmp_path / "mlflow.db")

    with pytest.raises(RegistryError, match=r"objection\.detect/1 was judged before, from another run"):
        job.run(TASK)

    assert states(database) == [(champion, "champion")]
    assert len(verdicts(database)) == 1


def test_a_model_file_with_a_foreign_type_is_refused(mlflow_uri, tmp_path):
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    (ticket,) = job.collect(TASK)
    job.train(ticket)
    (kept,) = tmp_path.rglob("model.skops")
    skops.io.dump(FunctionTransformer(func=shutil.rmtree), kept)

    with pytest.raises(RegistryError, match="refused"):
        job.validate(ticket)


def test_an_unknown_task_is_named_with_those_that_are_known(mlflow_uri):
    with pytest.raises(TrainingError, match=r"no task 'prices'; choose one of all, objection\.detect, needs\.detect"):
        job.run("prices")
