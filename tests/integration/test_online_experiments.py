"""Arms of experiments in a running agent: from the policy to the caller, the disk and the facts."""

import asyncio
import time
import uuid
from typing import Any

import pytest

from ml_pipeline import MLPipelineService
from ml_pipeline.jobs import ingest_events
from ml_pipeline.online.conversations import Conversations
from tests.integration.events import rows
from tests.integration.policy import execute, experiment, kill, reconfigure
from tests.online_agent import START, Clock, messages, offline_agent, recorded


@pytest.fixture(autouse=True)
def on_disk(monkeypatch):
    """Events stay on disk, where tests read them."""
    monkeypatch.setenv("ML_PIPELINE_SHIPPER", "none")


async def arms(service, name: str = "c", context: dict[str, Any] | None = None, *contents: str) -> Any:
    said = messages(*(contents or ("hi",)))
    return (await service.process_conversation_predictions(name, said, context or {}))["ab_variants"]


async def obeyed(service, database) -> None:
    """Wait until the service obeys the newest policy."""
    newest = tuple(int(part) for part in execute(database, "SELECT epoch || '.' || n FROM policy").split("."))
    deadline = time.monotonic() + 10
    while service.started().policy.policy.position != newest:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_a_conversation_is_told_its_arm_and_it_is_recorded_once(database, tmp_path):
    known = experiment(database, "greeting", arms=[{"name": "plain", "weight": 1}, {"name": "warm", "weight": 3}])
    execute(database, "SELECT publish_policy()")

    async with MLPipelineService(clock=Clock()) as service:
        first = await arms(service, "c", None, "hi")
        second = await arms(service, "c", None, "hi", "hello", "how much")
        metrics = await service.get_ml_pipeline_metrics()

    (line,) = recorded(tmp_path, "assignment")
    arm = first["greeting"]
    assert first == second
    assert (line["event_category"], line["timestamp"]) == ("experiment", START.isoformat().replace("+00:00", "Z"))
    assert line["data"] == {
        "experiment": "greeting",
        "experiment_id": known,
        "arm": arm,
        "unit": "conversation",
        "unit_id": line["conversation_id"],
        "propensity": {"plain": 0.25, "warm": 0.75}[arm],
        "reason": "drawn",
        "turn": 0,
        "policy": {"epoch": 1, "n": 1},
    }
    assert metrics["ab_testing"] == {
        "active_experiments": 1,
        "experiments": {"greeting": {"arms": ["plain", "warm"], "reason": "drawn"}},
        "assignments": {"greeting": {arm: 1}},
        "switched_off": [],
    }


async def test_another_process_and_a_later_turn_record_the_same_event(database, tmp_path, monkeypatch):
    experiment(database)
    execute(database, "SELECT publish_policy()")

    async with MLPipelineService() as service:
        first = await arms(service, "c", None, "hi")
    monkeypatch.setenv("ML_PIPELINE_SPOOL", str(tmp_path / "other"))
    (tmp_path / "other").mkdir()
    async with MLPipelineService() as service:
        second = await arms(service, "c", None, "hi", "hello", "how much")

    (here,) = recorded(tmp_path, "assignment")
    (tmp_path / "spool").rename(tmp_path / "first")
    (tmp_path / "other").rename(tmp_path / "spool")
    (there,) = recorded(tmp_path, "assignment")
    assert first == second
    assert here["id"] == there["id"]


async def test_an_arm_is_kept_while_weights_move(database):
    known = experiment(database)
    execute(database, "SELECT publish_policy()")
    names = [f"c{at}" for at in range(20)]

    async with MLPipelineService() as service:
        before = [await arms(service, name) for name in names]
        reconfigure(database, known, arms=[{"name": "plain", "weight": 0}, {"name": "warm", "weight": 1}], traffic=0)
        await obeyed(service, database)
        after = [await arms(service, name) for name in names]
        late = await arms(service, "late")

    assert after == before
    assert len({arm["greeting"] for arm in before}) == 2
    assert late == {}


async def test_an_arm_that_was_taken_out_is_drawn_anew_and_an_experiment_that_ended_gives_none(database, tmp_path):
    known = experiment(database)
    execute(database, "SELECT publish_policy()")
    names = [f"c{at}" for at in range(20)]

    async with MLPipelineService() as service:
        before = [await arms(service, name) for name in names]
        reconfigure(database, known, arms=[{"name": "plain", "weight": 1}, {"name": "short", "weight": 1}])
        await obeyed(service, database)
        after = [await arms(service, name) for name in names]
        execute(database, "UPDATE ml_experiments SET status = 'completed'")
        execute(database, "SELECT publish_policy()")
        await obeyed(service, database)
        ended = await arms(service, names[0])

    assert [new for old, new in zip(before, after, strict=True) if old["greeting"] == "plain"] == [
        {"greeting": "plain"} for old in before if old["greeting"] == "plain"
    ]
    assert {arm["greeting"] for arm in after} == {"plain", "short"}
    assert ended == {}
    assert len(recorded(tmp_path, "assignment")) == 20


async def test_who_is_not_eligible_has_no_entry_until_it_is(database, tmp_path):
    experiment(database, eligibility={"languages": ["es"], "programs": ["prime"]})
    execute(database, "SELECT publish_policy()")

    async with MLPipelineService() as service:
        english = await arms(service, "e", {"language": "en", "program_type": "PRIME"})
        unknown = await arms(service, "s", {"program_type": "PRIME"})
        spanish = await arms(service, "s", {"language": "es-MX", "program_type": "PRIME"}, "hola", "hola", "cuánto")

    assert (english, unknown) == ({}, {})
    assert set(spanish) == {"greeting"}
    assert [line["data"]["turn"] for line in recorded(tmp_path, "assignment")] == [2]


async def test_a_customer_has_one_arm_in_every_conversation(database, tmp_path, monkeypatch):
    monkeypatch.setenv("ML_PIPELINE_CUSTOMER_KEY", "secret")
    experiment(database, unit="customer")
    execute(database, "SELECT publish_policy()")

    async with MLPipelineService() as service:
        calls = [await arms(service, f"c{at}", {"customer_data": {"email": "a@b.com"}}) for at in range(20)]
        alone = await arms(service, "alone")

    lines = [line["data"] for line in recorded(tmp_path, "assignment")]
    assert all(call == calls[0] for call in calls)
    assert [line["unit"] for line in lines] == ["customer"] * 20 + ["conversation"]
    assert len({line["unit_id"] for line in lines}) == 2
    assert "a@b.com" not in str(lines)
    assert set(alone) == {"greeting"}


async def test_experiments_that_are_switched_off_give_the_control_and_come_back(database, tmp_path):
    experiment(database)
    execute(database, "SELECT publish_policy()")
    names = [f"c{at}" for at in range(10)]

    async with MLPipelineService() as service:
        before = [await arms(service, name) for name in names]
        kill(database, "experiments")
        await obeyed(service, database)
        off = [await arms(service, name) for name in [*names, "new"]]
        metrics = await service.get_ml_pipeline_metrics()
        kill(database, "experiments", is_on=False)
        await obeyed(service, database)
        back = [await arms(service, name) for name in names]

    assert off == [{"greeting": "plain"}] * 11
    assert back == before
    assert {arm["greeting"] for arm in before} == {"plain", "warm"}
    assert metrics["ab_testing"]["switched_off"] == [{"name": "experiments", "subject": ""}]
    *drawn, new = recorded(tmp_path, "assignment")
    assert [line["data"]["reason"] for line in drawn] == ["drawn"] * 10
    assert (new["data"]["arm"], new["data"]["reason"], new["data"]["propensity"]) == ("plain", "switched_off", 1.0)


async def test_an_assignment_becomes_one_fact_with_its_conversation(database, monkeypatch):
    monkeypatch.setenv("ML_PIPELINE_SHIPPER", "thread")
    known = experiment(database)
    execute(database, "SELECT publish_policy()")
    said = [{"role": "user", "content": "hi"}]

    async with MLPipelineService() as service:
        given = await service.process_conversation_predictions("c", said, {})
        # Forgotten, as by a restart; without timestamps in the messages it is another event.
        service.started().conversations = Conversations()
        await asyncio.sleep(0.005)
        await service.process_conversation_predictions("c", said, {})
        await service.event_tracker.track_event("assignment", {"arm": "mine"}, "c")
        assert await service.drain()
    counts = ingest_events.run()

    found = rows(
        database, "SELECT a.*, c.started_at FROM assignments AS a JOIN conversations AS c USING (conversation_id)"
    )
    events = rows(database, "SELECT id FROM ml_tracking_events WHERE event_type = 'assignment' ORDER BY id")
    assert counts["unprojectable"] == 0
    assert len(events) == 2
    (fact,) = found
    assert fact["event_id"] == events[0]["id"]
    assert (fact["experiment_id"], fact["arm"]) == (known, given["ab_variants"]["greeting"])
    assert (fact["policy_epoch"], fact["policy_n"], fact["propensity"]) == (1, 1, 0.5)
    assert fact["at"] == fact["started_at"]


async def test_the_last_good_policy_goes_on_giving_arms_without_a_database(cluster, database):
    experiment(database)
    execute(database, "SELECT publish_policy()")
    async with MLPipelineService() as service:
        before = await arms(service)

    cluster.stop()
    try:
        async with MLPipelineService() as service:
            after = await arms(service)
    finally:
        cluster.start(fsync="off", full_page_writes="off", synchronous_commit="off", shared_buffers="64MB")

    assert after == before != {}


async def test_without_any_policy_there_are_no_arms_and_all_is_recorded(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch) as service:
        result = await service.process_conversation_predictions("c", messages("hi", "hello"), {}, {"needs": ["roi"]})
        await service.record_conversation_outcome("c", "completed", {})

    assert (result["ab_variants"], result["served_by"]) == ({}, {"needs": "caller"})
    assert [line["event_type"] for line in recorded(tmp_path)] == ["turn", "turn", "prediction", "outcome"]


async def test_an_assignment_the_disk_would_not_take_is_recorded_by_a_later_turn(database, tmp_path, monkeypatch):
    experiment(database)
    execute(database, "SELECT publish_policy()")

    async with MLPipelineService() as service:
        recorder = service.started().recorder
        with monkeypatch.context() as full:
            full.setattr(recorder, "record", lambda *_: False)
            refused = await arms(service)
        kept = await arms(service)

    assert refused == kept != {}
    assert len(recorded(tmp_path, "assignment")) == 1


async def test_a_call_sees_one_policy_from_its_start_to_its_end(database, monkeypatch):
    """The policy changes while the call runs: what it gives back is of the one it began with."""
    experiment(database)
    execute(database, "SELECT publish_policy()")

    async with MLPipelineService() as service:
        reader = service.started().policy
        held = reader.policy
        turns = "ml_pipeline.online.capture.Capture.turns"

        def lose_policy(self, conversation, given):
            reader.policy = type(held)()
            return len(given) - 1

        monkeypatch.setattr(turns, lose_policy)
        during = await arms(service, str(uuid.uuid4()))
        after = await arms(service, str(uuid.uuid4()))

    assert set(during) == {"greeting"}
    assert after == {}
