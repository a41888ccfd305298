"""From an agent's request for retraining to the run that answers it."""

import uuid

import pytest

from ml_pipeline import MLPipelineService
from ml_pipeline.database.engine import transaction
from ml_pipeline.jobs import ingest_events
from ml_pipeline.models.triggers import store
from ml_pipeline.models.triggers.order import Order
from ml_pipeline.vocabulary.tasks import NEEDS, OBJECTION
from tests.integration.events import after, append, event, rows

RETRAINING = str(uuid.uuid4())


async def requested(*models: str) -> list[dict[str, object]]:
    """Ask for a retraining of each of these and wait until the log has it."""
    async with MLPipelineService() as service:
        answers = [await service.model_updater.queue_update(model, "drift of length", "high") for model in models]
        assert await service.drain(30)
    ingest_events.run()
    return answers


def states(database) -> list[tuple[str, str, str | None]]:
    found = rows(database, "SELECT * FROM retraining_requests ORDER BY requested_at, request")
    return [(row["task"], row["state"], row["outcome"]) for row in found]


async def test_a_request_becomes_a_row_under_the_id_that_was_told(database):
    (answer,) = await requested("objections")

    (row,) = rows(database, "SELECT * FROM retraining_requests")
    assert (answer["status"], answer["request_id"]) == ("queued", str(row["request"]))
    assert (row["task"], row["mode"], row["reason"]) == ("objection", "anticipate", "drift of length")
    assert (row["priority"], row["state"]) == ("high", "open")


async def test_a_request_that_is_projected_again_stays_as_it_is(database):
    (answer,) = await requested("objection")
    with transaction() as tx:
        store.take(tx, Order(OBJECTION, ""), RETRAINING)
        store.close(tx, RETRAINING, "held")

    rows(database, "INSERT INTO log_ledger (ids) VALUES (ARRAY[%(id)s::uuid])", id=answer["request_id"])
    counts = ingest_events.run()

    assert counts["requests"] == 0
    assert states(database) == [("objection", "done", "held")]


async def test_a_run_answers_what_was_asked_before_it_and_no_other_task(database):
    await requested("objection", "objection", "needs")
    with transaction() as tx:
        store.take(tx, Order(OBJECTION, ""), RETRAINING)
    await requested("objection")
    with transaction() as tx:
        store.close(tx, RETRAINING, "promoted")

    assert sorted(states(database), key=str) == [
        ("needs", "open", None),
        ("objection", "done", "promoted"),
        ("objection", "done", "promoted"),
        ("objection", "open", None),
    ]


async def test_what_a_run_took_and_did_not_finish_the_next_one_answers(database):
    await requested("needs")
    for outcome in (None, "unchanged"):
        with transaction() as tx:
            store.take(tx, Order(NEEDS, ""), RETRAINING)
            if outcome:
                store.close(tx, RETRAINING, outcome)

    assert states(database) == [("needs", "done", "unchanged")]


async def test_requests_are_told_to_the_agent(database):
    answers = await requested("objection", "needs")
    with transaction() as tx:
        store.take(tx, Order(NEEDS, ""), RETRAINING)

    async with MLPipelineService() as service:
        told = await service.model_updater.get_update_metrics()

    assert told["requests"] == {"open": 1, "taken": 1, "done": 0}
    assert {each["request_id"] for each in told["open_requests"]} == {answer["request_id"] for answer in answers}
    assert (told["models"], told["decisions"]) == ([], [])


@pytest.mark.parametrize("data", [{"task": 7, "mode": "detect"}, {"task": "needs"}, {"task": "needs", "mode": "x"}, []])
def test_a_request_that_cannot_be_read_stays_in_the_log_only(database, data):
    append(database, [event("c", "retraining_request", data=data, at=after())])

    ingest_events.run()

    assert states(database) == []


async def test_a_request_for_no_task_is_refused_and_counted(database):
    async with MLPipelineService() as service:
        answer = await service.model_updater.queue_update("weather", "why not")
        metrics = await service.get_ml_pipeline_metrics()

    assert (answer["status"], answer["request_id"]) == ("refused", None)
    assert answer["reason"] == "no task is called weather"
    assert metrics["buffers"]["refused"] == {"unknown_task": 1}
