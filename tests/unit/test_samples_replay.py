"""The replay against a fake service that writes down every call."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.samples.clock import ReplayClock
from ml_pipeline.samples.replay import Plan, replay
from ml_pipeline.simulation.floor import simulated_floor, simulated_source
from ml_pipeline.vocabulary.dialogue import Dialogue, LateLabel, Message, Source
from ml_pipeline.vocabulary.tasks import DEFAULT_TASKS

START = datetime(2024, 5, 6, 10, tzinfo=UTC)
SHIFT = timedelta(days=100, seconds=7)


@dataclass
class Call:
    name: str
    conversation_id: str
    at: datetime
    given: dict[str, Any] = field(default_factory=dict)


class FakeService:
    """Answers as the online module does where no model is in force."""

    def __init__(self, clock: ReplayClock) -> None:
        self.clock = clock
        self.calls: list[Call] = []

    def named(self, *names: str) -> list[Call]:
        return [call for call in self.calls if call.name in names]

    def write(self, name: str, conversation_id: str, **given: Any) -> None:
        self.calls.append(Call(name, conversation_id, self.clock(), given))

    async def track_prediction(
        self, conversation_id, prediction_type, predictions, confidence_scores=None, context=None
    ):
        self.write("track", conversation_id, type=prediction_type, predictions=predictions, context=context)
        return "an id"

    async def process_conversation_predictions(self, conversation_id, messages, context, predictions=None):
        return self.process("nested", conversation_id, messages, context, predictions)

    async def process_orchestrator_predictions(self, conversation_id, messages, context, existing_predictions=None):
        return self.process("flat", conversation_id, messages, context, existing_predictions)

    def process(self, name, conversation_id, messages, context, predictions):
        self.write(
            name, conversation_id, messages=[dict(m) for m in messages], context=context, predictions=predictions
        )
        return {"predictions": predictions, "served_by": {"objection": "caller"}}

    async def record_conversation_outcome(self, conversation_id, outcome, metrics):
        self.write("outcome", conversation_id, outcome=outcome, metrics=metrics)

    async def record_feedback(self, conversation_id, task, labels, source, at=None, **about):
        self.write("label", conversation_id, task=task, labels=labels, source=source, told_at=at, **about)


def dialogue(name: str, minutes: float = 0, *, turns: int = 4, labels: tuple[LateLabel, ...] = ()) -> Dialogue:
    start = START + timedelta(minutes=minutes)
    messages = tuple(
        Message("user" if turn % 2 else "assistant", f"{name} {turn}", start + timedelta(seconds=30 * turn))
        for turn in range(turns)
    )
    return Dialogue(name, messages, "completed", {"message_count": turns}, {"language": "en"}, late_labels=labels)


def source(*dialogues: Dialogue) -> Source:
    return Source("test", False, DEFAULT_TASKS, dialogues)


async def play(of: Source, plan: Plan | None = None, **named: Any) -> tuple[FakeService, Any]:
    clock = ReplayClock(SHIFT)
    service = FakeService(clock)
    return service, await replay(of, service, clock, plan=plan, **named)


async def test_an_agent_is_called_at_every_customer_turn_with_the_messages_so_far():
    service, report = await play(source(dialogue("a", turns=5)))

    turns = service.named("nested", "flat")
    assert [[m["content"] for m in call.given["messages"]] for call in turns] == [
        ["a 0", "a 1"],
        ["a 0", "a 1", "a 2", "a 3"],
    ]
    assert [m["role"] for m in turns[1].given["messages"]] == ["assistant", "user", "assistant", "user"]
    assert (report.conversations, report.turns, report.predictions) == (1, 4, 2)


async def test_both_shapes_are_used_and_some_answers_are_also_reported_apart():
    service, _ = await play(source(dialogue("a", turns=8)))

    assert [call.name for call in service.calls if call.name != "outcome"] == [
        *("flat", "track", "track", "nested", "flat", "track", "track", "nested")
    ]
    first, second = service.named("track")[:2]
    assert (first.given["type"], second.given["type"]) == ("objection", "conversion")
    assert first.given["context"]["message_count"] == 4
    nested = service.named("nested")[0].given["predictions"]
    assert first.given["predictions"] == nested["objections"]
    assert second.given["predictions"] == nested["conversion"]


async def test_the_clock_and_all_times_are_the_sources_own_shifted():
    late = LateLabel("objection", ("price",), "human", START + timedelta(hours=9), turn=1)

    service, _ = await play(source(dialogue("a", labels=(late,))))

    turn, outcome, label = service.named("nested", "flat")[0], service.named("outcome")[0], service.named("label")[0]
    assert turn.at == START + timedelta(seconds=30) + SHIFT
    assert [m["timestamp"] for m in turn.given["messages"]] == [
        (START + SHIFT).isoformat(),
        (START + timedelta(seconds=30) + SHIFT).isoformat(),
    ]
    assert outcome.at == START + timedelta(seconds=90) + SHIFT
    assert label.at == label.given["told_at"] == late.at + SHIFT


async def test_late_truth_comes_with_turn_value_and_currency():
    sale = LateLabel("conversion", ("sold",), "crm", START + timedelta(days=2), value=2_700.0, currency="USD")
    none = LateLabel("objection", (), "human", START + timedelta(days=1), turn=3)

    service, report = await play(source(dialogue("a", labels=(sale, none))))

    first, second = (call.given for call in service.named("label"))
    assert (first["labels"], first["turn"], first["source"]) == ([], 3, "human")
    assert (second["labels"], second["turn"], second["value"], second["currency"]) == (["sold"], None, 2_700.0, "USD")
    assert report.labels == 2


async def test_conversations_are_interleaved_as_they_happened():
    early = LateLabel("objection", (), "human", START + timedelta(minutes=1), turn=1)

    service, _ = await play(source(dialogue("a", labels=(early,)), dialogue("b", 0.75), dialogue("c", 9)))

    assert [call.at for call in service.calls] == sorted(call.at for call in service.calls)
    assert [c.conversation_id for c in service.named("nested", "flat")] == ["a", "b", "a", "b", "c", "c"]


async def test_the_outcome_follows_the_last_turn_even_at_the_same_moment():
    service, _ = await play(source(dialogue("a")))

    assert [call.name for call in service.calls][-2:] == ["nested", "outcome"]


@pytest.mark.parametrize("conversations", [1, 2, 7, 10, 33])
def test_two_shares_make_the_whole_in_time_order(conversations: int):
    whole = source(*(dialogue(f"{i:02}", i) for i in range(conversations)))

    old, new = Plan(share=(0.0, 0.9)).dialogues(whole), Plan(share=(0.9, 1.0)).dialogues(whole)

    assert old + new == whole.dialogues


@given(limit=st.integers(1, 40), cut=st.floats(0, 1))
def test_shares_are_taken_of_what_the_limit_leaves(limit: int, cut: float):
    whole = source(*(dialogue(f"{i:02}", i) for i in range(20)))

    parts = Plan(share=(0.0, cut), limit=limit).dialogues(whole) + Plan(share=(cut, 1.0), limit=limit).dialogues(whole)

    assert parts == whole.dialogues[:limit]


async def test_what_the_source_says_of_its_own_agent_is_used():
    own: dict[int, dict[str, Any]] = {
        1: {"conversion": {"probability": 0.25}},
        3: {"conversion_probability": 0.5, "recommended_actions": []},
    }

    service, _ = await play(source(replace(dialogue("a"), predictions=own)))

    assert [(c.name, c.given["predictions"]) for c in service.calls[:2]] == [("nested", own[1]), ("flat", own[3])]


async def test_the_phase_of_the_turn_goes_with_the_context():
    phases = ("greeting", "greeting", "closing", "closing")

    service, _ = await play(source(replace(dialogue("a"), phases=phases)))

    contexts = [call.given["context"] for call in service.named("nested", "flat")]
    assert contexts == [{"language": "en", "phase": "greeting"}, {"language": "en", "phase": "closing"}]


async def test_no_prediction_depends_on_what_is_known_only_later():
    floor = simulated_floor(3, 12)
    blind = tuple(replace(talk, outcome="completed", metrics={}, late_labels=()) for talk in floor.source.dialogues)

    seeing, _ = await play(floor.source)
    unseeing, _ = await play(replace(floor.source, dialogues=blind))

    calls = ("nested", "flat", "track")
    assert [c.given for c in seeing.named(*calls)] == [c.given for c in unseeing.named(*calls)]


async def test_no_truth_of_a_simulation_reaches_the_service():
    floor = simulated_floor(3, 12)

    service, _ = await play(floor.source)

    sent = repr([call.given for call in service.named("nested", "flat", "track", "outcome")])
    assert not any(word in sent for word in ("objections_ahead", "leaning", "pressure", "is_sold"))
    chances = {f"{truth.sale!r}" for truth in floor.truth.values() if truth.sale}
    assert not any(chance in sent for chance in chances)


async def test_replaying_twice_makes_the_same_calls():
    of = simulated_source(5, 8)

    first, _ = await play(of)
    second, _ = await play(of)

    assert [(c.name, c.conversation_id, c.at, c.given) for c in first.calls] == [
        (c.name, c.conversation_id, c.at, c.given) for c in second.calls
    ]


async def test_a_stopped_replay_ends_before_its_next_call_and_says_so():
    stop = asyncio.Event()
    of = source(*(dialogue(str(i), i) for i in range(9)))

    def stop_after_three(done: int, total: int) -> None:
        assert total == 9
        if done == 3:
            stop.set()

    service, report = await play(of, on_progress=stop_after_three, stop=stop)

    assert report.is_interrupted
    assert report.conversations == len(service.named("outcome")) == 3


async def test_a_call_that_raises_is_counted_and_stops_nothing(caplog):
    class Broken(FakeService):
        async def record_conversation_outcome(self, conversation_id, outcome, metrics):
            raise RuntimeError("the promise is broken")

    clock = ReplayClock(SHIFT)
    service = Broken(clock)

    report = await replay(source(dialogue("a"), dialogue("b", 5)), service, clock)

    assert report.raised == 2
    assert len(service.named("nested", "flat")) == 4
    assert "replay.call_raised" in caplog.text


async def test_who_answered_is_counted_per_task():
    _, report = await play(source(dialogue("a"), dialogue("b", 5)))

    assert report.served_by == {"objection": Counter(caller=4)}


async def test_source_time_passes_at_the_speed_that_was_asked_for():
    started = time.monotonic()

    _, report = await play(source(dialogue("a", turns=3)), Plan(speed=120))  # 30 s between two events

    assert 0.2 < time.monotonic() - started < 5
    assert report.seconds > 0.2


async def test_waiting_for_source_time_ends_at_once_when_stopped():
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, stop.set)

    _, report = await asyncio.wait_for(play(source(dialogue("a"), dialogue("b", 999)), Plan(speed=1), stop=stop), 20)

    assert report.is_interrupted


async def test_malformed_conversations_are_reported():
    _, report = await play(replace(source(dialogue("a")), malformed=(("x", "why"), ("y", "why"))))

    assert report.malformed == 2
