"""From a promotion's commit to the running agent's answers, and back."""

import time

import psycopg2
import pytest

from ml_pipeline import MLPipelineService
from ml_pipeline.online.predicting.bundle import encode
from ml_pipeline.online.predicting.features import REVISION, feature_digest, feature_row
from tests.integration.policy import bundle, publish, versions_once
from tests.online_agent import NOWHERE, messages, recorded

ANSWER = {"objections": {"objections": [{"type": "price", "confidence": 0.7}], "primary_objection": "price"}}


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Events stay on disk, where tests read them; and a busy machine is no late model."""
    monkeypatch.setenv("ML_PIPELINE_SHIPPER", "none")
    monkeypatch.setenv("ML_PIPELINE_PREDICT_BUDGET_MS", "5000")


async def test_a_running_agent_serves_a_champion_within_ten_seconds_of_its_promotion(database, tmp_path):
    async with MLPipelineService() as service:
        before = await service.process_conversation_predictions("c", messages("hi"), {"phase": "closing"}, ANSWER)
        publish(database, (bundle("objection.anticipate/1"), "champion", 0))
        await versions_once(service, {"objection.anticipate/1"})
        said = messages("hi", "hello", "mail a@b.com")
        after = await service.process_conversation_predictions("c", said, {"phase": "closing"}, ANSWER)
        metrics = await service.get_ml_pipeline_metrics()

    assert before["served_by"] == {"objection": "caller"}
    assert after["served_by"] == {"objection": "objection.anticipate/1"}
    assert after["predictions"]["objections"]["primary_objection"] == "trust"
    assert after["predictions"]["objections"]["objections"] == [{"type": "trust", "confidence": pytest.approx(0.9)}]
    assert after["confidence_scores"] == {"objection": pytest.approx(0.9)}
    assert metrics["predictions"]["by_task"] == {"objection": {"caller": 2, "objection.anticipate/1": 1}}
    by_version = {line["data"]["version"]: line["data"] for line in recorded(tmp_path, "prediction")}
    ours, callers = by_version["objection.anticipate/1"], by_version["caller"]
    assert (ours["is_served"], callers["is_served"]) == (True, False)
    assert ours["latency_ms"] > 0
    # The row can be rebuilt offline from the turns as they are stored and the event's context.
    row = feature_row([("user", "hi"), ("assistant", "hello"), ("user", "mail <EMAIL>")], ours["context"])
    assert (ours["feature_revision"], ours["feature_digest"]) == (REVISION, feature_digest(row))


async def test_a_rollback_takes_the_champion_away_again(database):
    async with MLPipelineService() as service:
        publish(database, (bundle("objection.anticipate/1"), "champion", 0))
        await versions_once(service, {"objection.anticipate/1"})
        publish(database, (bundle("objection.anticipate/2", sure_of="need"), "champion", 0))
        await versions_once(service, {"objection.anticipate/2"})
        second = await service.process_conversation_predictions("c", messages("hi"), {}, ANSWER)
        publish(database)
        await versions_once(service, set())
        third = await service.process_conversation_predictions("d", messages("hi"), {}, ANSWER)

    assert second["predictions"]["objections"]["primary_objection"] == "need"
    assert (third["served_by"], third["predictions"]) == ({"objection": "caller"}, ANSWER)


async def test_a_shadow_is_recorded_and_never_served(database, tmp_path):
    publish(database, (bundle("objection.anticipate/1"), "shadow", 0))

    async with MLPipelineService() as service:
        result = await service.process_conversation_predictions("c", messages("hi"), {}, ANSWER)

    assert (result["served_by"], result["predictions"]) == ({"objection": "caller"}, ANSWER)
    served = {line["data"]["version"]: line["data"]["is_served"] for line in recorded(tmp_path, "prediction")}
    assert served == {"caller": True, "objection.anticipate/1": False}


async def test_a_canary_answers_its_share_of_conversations_and_the_champion_the_rest(database):
    publish(
        database,
        (bundle("objection.anticipate/1"), "champion", 0),
        (bundle("objection.anticipate/2", sure_of="need"), "canary", 0.25),
    )

    async with MLPipelineService() as service:
        answers = [
            [await service.process_conversation_predictions(f"c{at}", messages("hi"), {}, ANSWER) for at in range(200)]
            for _ in range(2)
        ]

    by_version = [[answer["served_by"]["objection"] for answer in round_] for round_ in answers]
    assert by_version[0] == by_version[1]
    assert 0.15 < by_version[0].count("objection.anticipate/2") / 200 < 0.35


async def test_a_caller_without_predictions_gets_the_champions(database):
    publish(database, (bundle("objection.anticipate/1"), "champion", 0))

    async with MLPipelineService() as service:
        result = await service.process_conversation_predictions("c", messages("hi"), {})

    assert set(result["predictions"]["objections"]) == {"objections", "primary_objection", "confidence"}
    assert result["served_by"] == {"objection": "objection.anticipate/1"}


async def test_a_prediction_reported_apart_is_not_served_where_a_champion_answers(database, tmp_path):
    publish(database, (bundle("objection.anticipate/1"), "champion", 0))

    async with MLPipelineService() as service:
        await service.track_prediction("c", "objection", ANSWER["objections"])
        await service.process_conversation_predictions("c", messages("hi"), {}, ANSWER)

    served = [(line["data"]["version"], line["data"]["is_served"]) for line in recorded(tmp_path, "prediction")]
    assert served == [("caller", False), ("objection.anticipate/1", True)]


@pytest.mark.parametrize("reason", ["lying sample", "altered content", "other version"])
async def test_a_bundle_that_fails_its_checks_never_serves(database, reason, caplog):
    model = bundle("objection.anticipate/1", is_honest=reason != "lying sample")
    _, content = encode(model)
    if reason == "other version":
        with psycopg2.connect(database.owner_dsn) as connection, connection.cursor() as cursor:
            publish(database, (model, "champion", 0))
            cursor.execute("SET LOCAL session_replication_role = replica")  # what was is not to be rewritten
            cursor.execute("UPDATE model_rollouts SET version = 'objection.anticipate/9'")
            cursor.execute("SELECT publish_policy()")
    else:
        publish(database, (model, "champion", 0), content=content + b" " if reason == "altered content" else None)

    async with MLPipelineService() as service:
        result = await service.process_conversation_predictions("c", messages("hi"), {}, ANSWER)
        metrics = await service.get_ml_pipeline_metrics()

    assert (result["served_by"], result["predictions"]) == ({"objection": "caller"}, ANSWER)
    assert metrics["buffers"]["noted"]["bundle_refused"] == 1


async def test_a_failing_or_late_model_leaves_the_callers_answer_in_place(database, monkeypatch):
    monkeypatch.setenv("ML_PIPELINE_PREDICT_BUDGET_MS", "50")
    publish(database, (bundle("objection.anticipate/1"), "champion", 0))

    def fails(self, row):
        raise ZeroDivisionError

    def dawdles(self, row):
        time.sleep(0.06)

    async with MLPipelineService() as service:
        await versions_once(service, {"objection.anticipate/1"})
        answers = []
        for at, behaviour in enumerate([fails, dawdles]):
            monkeypatch.setattr("ml_pipeline.online.predicting.predictor.Predictor.predict", behaviour)
            answers.append(await service.process_conversation_predictions(f"c{at}", messages("hi"), {}, ANSWER))
        metrics = await service.get_ml_pipeline_metrics()

    assert [answer["served_by"] for answer in answers] == [{"objection": "caller"}] * 2
    assert [answer["predictions"] for answer in answers] == [ANSWER] * 2
    noted = metrics["buffers"]["noted"]
    assert (noted["prediction_failed"], noted["prediction_over_budget"]) == (1, 1)


@pytest.mark.parametrize("damage", [None, "bundle", "policy"])
async def test_without_a_database_the_last_good_policy_serves_unless_it_was_altered(
    cluster, database, tmp_path, damage
):
    publish(database, (bundle("objection.anticipate/1"), "champion", 0))
    async with MLPipelineService() as service:
        await versions_once(service, {"objection.anticipate/1"})
    if damage:
        pattern = "*/policy.json" if damage == "policy" else "*/bundles/*.json"
        (kept,) = (tmp_path / "cache").glob(pattern)
        kept.write_bytes(kept.read_bytes().replace(b"0.9", b"0.8").replace(b"champion", b"champions"))
    cluster.stop()
    try:
        async with MLPipelineService() as service:
            result = await service.process_conversation_predictions("c", messages("hi"), {}, ANSWER)
    finally:
        cluster.start(fsync="off", full_page_writes="off", synchronous_commit="off", shared_buffers="64MB")

    assert result["served_by"] == {"objection": "caller" if damage else "objection.anticipate/1"}


async def test_with_no_policy_ever_read_the_caller_answers(tmp_path, monkeypatch):
    monkeypatch.setenv("ML_PIPELINE_CACHE", str(tmp_path / "cache"))

    async with MLPipelineService(dsn=NOWHERE, spool=tmp_path / "spool") as service:
        result = await service.process_conversation_predictions("c", messages("hi"), {}, ANSWER)
        metrics = await service.get_ml_pipeline_metrics()

    assert result["served_by"] == {"objection": "caller"}
    assert metrics["model_updates"] == {"policy": {"epoch": 0, "n": 0, "read_at": None}, "models": []}
