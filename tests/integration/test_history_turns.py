"""Which version served a turn, why, and what turned out: told by what a real agent recorded."""

import asyncio
import json
import uuid
from collections.abc import Collection
from typing import Any

import pytest
from typer.testing import CliRunner

from ml_pipeline import MLPipelineService
from ml_pipeline.cli import app
from ml_pipeline.database.engine import transaction
from ml_pipeline.errors import HistoryError
from ml_pipeline.jobs import ingest_events
from ml_pipeline.models.history import store
from ml_pipeline.models.history.turns import Answered
from ml_pipeline.online.predicting.bundle import encode
from ml_pipeline.vocabulary.tasks import DEFAULT_TASKS
from tests.integration.events import append, conversation_id, label, prediction, rows, turn
from tests.integration.policy import bundle, execute, kill, publish, versions_once
from tests.online_agent import messages

FIRST, SECOND = "objection.anticipate/1", "objection.anticipate/2"
ANSWER = {"objections": {"objections": [{"type": "price", "confidence": 0.7}], "primary_objection": "price"}}


@pytest.fixture(autouse=True)
def agent_of_this_process(monkeypatch):
    monkeypatch.setenv("ML_PIPELINE_SHIPPER", "thread")
    monkeypatch.setenv("ML_PIPELINE_PREDICT_BUDGET_MS", "5000")


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def command():
    runner = CliRunner(env={"COLUMNS": "200"})
    return lambda *arguments: runner.invoke(app, ["explain", "prediction", *arguments])


def talk(*conversations: str, versions: Collection[str] = (), said: tuple[str, ...] = ("hi",)) -> list[dict[str, Any]]:
    """Have an agent that runs ``versions`` answer the last turn of each conversation; return what it was answered."""

    async def answers() -> list[dict[str, Any]]:
        async with MLPipelineService() as service:
            await versions_once(service, set(versions))
            told = [
                await service.process_conversation_predictions(name, messages(*said), {"phase": "closing"}, ANSWER)
                for name in conversations
            ]
            assert await service.drain(30)
            return told

    told = asyncio.run(answers())
    ingest_events.run()
    return told


def answered(conversation: str, turn: int = 0) -> Answered:
    with transaction() as tx:
        (found,) = store.turn(tx, conversation, turn, DEFAULT_TASKS).answered
    return found


def judged(database, version: str, threshold: float) -> None:
    """Keep a gate's verdict on ``version``."""
    evidence = json.dumps({"thresholds": {"trust": threshold}})
    execute(
        database,
        "INSERT INTO decisions (kind, task, mode, version, verdict, reason, evidence, actor)"
        " VALUES ('gate', 'objection', 'anticipate', %s, 'PROMOTE', 'better', %s, 'retrain_models')",
        version, evidence,
    )  # fmt: skip


def test_a_turn_tells_version_bundle_chance_threshold_features_and_policy(database, command):
    judged(database, SECOND, 0.625)
    publish(database, (bundle(FIRST), "champion", 1), (bundle(SECOND, sure_of="need"), "canary", 0.999))
    epoch, n = execute(database, "SELECT ARRAY[epoch, n] FROM policy")
    talk("call 1", versions={FIRST, SECOND})
    (kept,) = rows(database, "SELECT * FROM predictions WHERE version = %(v)s", v=SECOND)

    told = command("call 1", "0")

    found = answered("call 1")
    digest, _ = encode(bundle(SECOND, sure_of="need"))
    assert told.exit_code == 0
    lines = [" ".join(line.split()) for line in told.output.splitlines()]
    assert f"objection.anticipate: {SECOND} served, {kept['at']:%Y-%m-%d %H:%M:%S} UTC" in lines
    assert "because it was the canary of 100%, drawn with chance 1.00 by the conversation" in lines
    assert any(line.startswith(f"policy {epoch}.{n} of ") for line in lines)
    assert f"served {SECOND} (canary of 100%), chance of being served 1.00" in lines
    assert any("trust 0.100 (threshold 0.625)" in line for line in lines)
    assert f"bundle {digest}" in lines
    assert f"features revision {kept['feature_revision']}, digest {kept['feature_digest']}" in lines
    assert "beside caller, chance of being served 0.00" in lines
    assert "turned out not known yet" in lines
    assert found.served is not None
    assert found.drawn is not None
    assert (found.served.propensity, found.drawn.propensity) == (0.999, 0.999)
    assert [answer.version for answer in found.answers] == [SECOND, "caller", FIRST]


def test_an_answer_is_found_by_its_event_its_tracking_id_and_its_turn(database, command):
    publish(database, (bundle(FIRST), "champion", 1))
    (said,) = talk("call 1", versions={FIRST}, said=("hi", "hello", "no"))
    (kept,) = rows(database, "SELECT event_id::text FROM predictions WHERE version = %(v)s", v=FIRST)

    by_turn = command("call 1", "2")

    assert by_turn.output.startswith("Turn 2 of conversation ")
    assert command(kept["event_id"]).output == by_turn.output
    assert command(said["tracking_id"]).output == by_turn.output


def test_what_was_learnt_later_is_told_with_who_said_it(database, command):
    name, said = conversation_id("call 1"), label("call 1", "objection", ["price"], number=0)
    append(database, [turn("call 1", 0), prediction("call 1", 0, mode="detect"), said])
    ingest_events.run()

    truth = answered(name).truth

    assert truth is not None
    assert (truth.labels, truth.source) == (["price"], "human")
    assert f"turned out  price, says human, learnt {truth.learnt_at:%Y-%m-%d %H:%M} UTC" in command(name, "0").output


@pytest.mark.parametrize("failure", ["fails", "dawdles"])
def test_a_model_that_failed_is_named_with_who_stood_in(database, monkeypatch, failure):
    publish(database, (bundle(FIRST), "champion", 1))

    def fails(self, row):
        raise ZeroDivisionError

    async def answer() -> None:
        async with MLPipelineService() as service:
            await versions_once(service, {FIRST})
            if failure == "fails":
                monkeypatch.setattr("ml_pipeline.online.predicting.predictor.Predictor.predict", fails)
            else:
                monkeypatch.setattr("ml_pipeline.online.predicting.predictions.time.perf_counter", _ever_later())
            await service.process_conversation_predictions("call 1", messages("hi"), {}, ANSWER)
            assert await service.drain(30)

    asyncio.run(answer())
    ingest_events.run()

    said = "failed" if failure == "fails" else "did not answer within predict_budget_ms"
    assert answered("call 1").why == f"{FIRST} should have answered and {said}; caller stood in"


def _ever_later():
    """Return a clock that goes a minute on each time it is asked."""
    now = iter(range(0, 10**6, 60))
    return lambda: float(next(now))


def test_a_kill_switch_is_why_the_caller_served(database):
    publish(database, (bundle(FIRST), "champion", 1))
    kill(database, "predictor")

    talk("call 1")

    assert answered("call 1").why == "a kill switch had the predictor off: the agent's own answer stands"


def test_without_a_champion_the_caller_served_and_who_ran_beside_is_told(database):
    publish(database, (bundle(FIRST), "shadow", 0))

    talk("call 1", versions={FIRST})

    said = f"no version of ours was champion ({FIRST} in shadow): the agent's own answer stands"
    assert answered("call 1").why == said


def test_an_agent_that_refused_the_bundle_is_why_the_caller_served(database):
    publish(database, (bundle(FIRST, is_honest=False), "champion", 1))

    talk("call 1")

    assert answered("call 1").why == (
        f"{FIRST} should have answered; the agent refused its bundle: altered, foreign, or its samples were answered"
        " otherwise; caller stood in"
    )


def test_what_the_agent_sent_in_place_of_an_answer_is_told(database, command):
    async def answer() -> None:
        async with MLPipelineService() as service:
            await service.process_conversation_predictions("call 1", messages("hi"), {}, {"error": "timeout"})
            assert await service.drain(30)

    asyncio.run(answer())
    ingest_events.run()

    told = command("call 1", "0")

    assert "instead of an answer the agent sent: timeout" in told.output


def test_a_turn_is_told_from_facts_and_records_once_the_log_is_gone(database, command):
    judged(database, FIRST, 0.5)
    publish(database, (bundle(FIRST), "champion", 1))
    talk("call 1", versions={FIRST})
    (kept,) = rows(database, "SELECT event_id::text FROM predictions WHERE version = %(v)s", v=FIRST)
    before = command("call 1", "0").output

    rows(database, "DELETE FROM ml_tracking_events; UPDATE model_bundles SET content = NULL")

    assert command(kept["event_id"]).output == before


def test_a_program_reads_the_same(database, command):
    publish(database, (bundle(FIRST), "champion", 1))
    talk("call 1", versions={FIRST})

    told = json.loads(command("call 1", "0", "--json", "--task", "objection").output)

    (task,) = told["answered"]
    assert (task["task"], task["why"]) == ("objection", "it was the champion")
    assert task["answers"][0]["version"] == FIRST


@pytest.fixture
def told_once(database):
    """One turn of one conversation, answered by the agent itself."""
    append(database, [turn("call 1", 0), prediction("call 1", 0)])
    ingest_events.run()


@pytest.mark.parametrize(
    ("named", "turn", "said"),
    [
        ("call 9", 0, "no conversation is known as call 9"),
        ("call 1", 7, "nothing was predicted on turn 7 of call 1"),
        ("rubbish", None, "'rubbish' is no id of a prediction"),
        (str(uuid.UUID(int=0)), None, "no prediction is known as 00000000-"),
        ("019aaaaa-aaaa-7aaa-8aaa-aaaaaaaaaaaa", None, "no prediction is known as 019aaaaa-"),
        ("ffffffff-ffff-7fff-bfff-ffffffffffff", None, "no prediction is known as ffffffff-"),
        ("", None, "'' is no id of a prediction"),
    ],
)
def test_what_is_not_known_is_said_so(told_once, command, named, turn, said):
    named = conversation_id(named) if named == "call 1" else named

    done = command(named, *([] if turn is None else [str(turn)]))

    assert isinstance(done.exception, HistoryError)
    assert said.replace("call 1", conversation_id("call 1")) in str(done.exception)


def test_a_task_that_was_not_predicted_is_refused_with_those_that_were(told_once, command):
    done = command(conversation_id("call 1"), "0", "--task", "weather")

    assert done.exit_code == 2
    assert "what was: objection." in " ".join(done.output.split())
