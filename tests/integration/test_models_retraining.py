"""Retraining on a real Postgres and a real MLflow store."""

import math
import shutil
import threading
from pathlib import Path

import msgspec
import pytest

from ml_pipeline.database.engine import transaction
from ml_pipeline.errors import BundleError, RegistryError, TrainingError
from ml_pipeline.jobs import mirror_registry
from ml_pipeline.jobs import retrain_models as job
from ml_pipeline.models import collecting, store
from ml_pipeline.models.registry import Registry
from ml_pipeline.models.specification import read_specification
from ml_pipeline.online.predicting.bundle import LinearBundle, Sample, decode, encode
from ml_pipeline.online.predicting.features import feature_row
from ml_pipeline.online.predicting.predictor import Predictor
from tests.conftest import Database, run_as_owner
from tests.integration.retraining import TASK, client, learn, rows, states, verdicts


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


def test_mlflow_holds_the_evidence_the_specification_and_no_pickle(database, champion):
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
    (logged,) = run.inputs.dataset_inputs
    assert logged.dataset.digest == run.data.tags["dataset_digest"][:32]
    (decision,) = rows(database, "SELECT evidence FROM decisions WHERE kind = 'gate'")
    dataset, tags = decision["evidence"]["dataset"], {tag.key: tag.value for tag in logged.tags}
    assert tags["specification_digest"] == dataset["specification_digest"]
    assert tags["cut_off"] == dataset["specification"]["cut_off"]
    with transaction() as tx:
        assert collecting.read(tx, read_specification(dataset["specification"])).digest == dataset["digest"]
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


def test_a_candidate_better_than_the_champion_runs_in_its_shadow_first(database, champion):
    blind(database)
    learn(database, range(120, 160))

    counts = job.run(TASK)

    assert counts["promoted"] == 1
    assert states(database) == [(champion, "champion"), (f"{TASK}/2", "shadow")]
    assert str(client().get_registered_model(TASK).aliases["champion"]) == "1"
    (policy,) = rows(database, "SELECT document FROM policy")
    assert [(model["version"], model["state"]) for model in policy["document"]["models"]] == [
        (champion, "champion"),
        (f"{TASK}/2", "shadow"),
    ]


def test_what_passed_its_gate_is_trained_again_on_its_judges_and_serves_where_the_setting_says_so(
    database, mlflow_uri, monkeypatch
):
    monkeypatch.setenv("ML_PIPELINE_REFIT_PROMOTED", "true")

    job.run(TASK)

    assert states(database) == [(f"{TASK}/1", "champion")]
    (decision,) = rows(database, "SELECT evidence FROM decisions WHERE kind = 'gate' AND verdict = 'PROMOTE'")
    evidence = decision["evidence"]
    assert evidence["refit"]["conversations"] == sum(
        evidence["split"][part]["conversations"] for part in ("train", "calibration", "gate")
    )
    assert evidence["refit"]["gated"]["trained_until"] < evidence["split"]["gate"]["to"] < evidence["trained_until"]
    registry, version = Registry(mlflow_uri), client().get_model_version(TASK, "1")
    gated, served = (
        registry.model(version.run_id, digest)
        for digest in (evidence["refit"]["gated"]["model_sha256"], evidence["model_sha256"])
    )
    (bundle,) = rows(database, "SELECT digest, content FROM model_bundles")
    thresholds = decode(bytes(bundle["content"]), bundle["digest"]).model.thresholds
    assert list(thresholds.values()) == served[-1].thresholds_.tolist() != gated[-1].thresholds_.tolist()
    assert client().get_run(version.run_id).data.tags["refit_uri"].endswith(version.source.split("/")[-1])


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
        cursor.execute("SET LOCAL session_replication_role = replica")  # what was served is not to be rewritten
        cursor.execute("UPDATE model_rollouts SET digest = %s", (digest,))


def test_requests_are_done_once_their_task_was_judged(database, mlflow_uri):
    ask = "INSERT INTO retraining_requests VALUES (gen_random_uuid(), 'objection', 'detect', 'drift')"
    asked = "SELECT task, state, outcome FROM retraining_requests WHERE source = 'agent' ORDER BY done_at, task"
    run_as_owner(database.owner_dsn, ask, ask.replace("objection", "needs"))
    job.run(dry_run=True)
    untouched = rows(database, asked)
    job.run()
    run_as_owner(database.owner_dsn, ask)
    job.run(TASK)

    assert {row["state"] for row in untouched} == {"open"}
    assert [(row["task"], row["outcome"]) for row in rows(database, asked)] == [
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


def test_an_alias_that_could_not_be_set_undoes_nothing_and_is_set_by_the_next_mirror(database, judged, monkeypatch):
    def fail(*_: object) -> None:
        raise RegistryError("MLflow is away")

    with monkeypatch.context() as patch:
        patch.setattr(Registry, "point", fail)
        published = job.publish(judged)
    aliases_then = client().get_registered_model(TASK).aliases

    mirror_registry.run()

    assert published["outcome"] == "promoted"
    assert states(database) == [(f"{TASK}/1", "champion")]
    assert aliases_then == {}
    assert str(client().get_registered_model(TASK).aliases["champion"]) == "1"


def test_two_retrainings_at_once_make_one_champion(database, judged):
    (other,) = job.collect(TASK)
    other = job.validate(job.train(other))
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


def test_an_unknown_task_is_named_with_those_that_are_known(mlflow_uri):
    with pytest.raises(TrainingError, match=r"no task 'prices'; choose one of all, objection\.detect, needs\.detect"):
        job.run("prices")
