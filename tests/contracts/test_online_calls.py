"""What each call of the contract leaves on disk."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from unittest.mock import MagicMock
from uuid import UUID

import numpy as np
import pandas as pd
import pytest

from ml_pipeline.online.ids import EPOCH, conversation_uuid
from tests.online_agent import START, messages, offline_agent, recorded

ANSWER = {"objections": {"objections": [{"type": "price", "confidence": 0.7}]}, "conversion": {"probability": 0.8}}


async def test_a_turn_is_recorded_once_however_often_the_list_comes(tmp_path, monkeypatch):
    said = messages("hi", "hello", "how much?", "2,700 dollars")

    async with offline_agent(tmp_path, monkeypatch) as service:
        for length in (1, 1, 3, 2, 4, 4):
            await service.process_conversation_predictions("c", said[:length], {})

    turns = recorded(tmp_path, "turn")
    assert [line["data"]["turn"] for line in turns] == [0, 1, 2, 3]
    assert [line["data"]["role"] for line in turns] == ["user", "assistant", "user", "assistant"]
    assert [datetime.fromisoformat(line["timestamp"]) for line in turns] == [
        START + timedelta(seconds=10 * turn) for turn in range(4)
    ]


async def test_after_a_restart_the_same_events_have_the_same_ids(tmp_path, monkeypatch):
    ids = []
    for run in ("first", "second"):
        async with offline_agent(tmp_path / run, monkeypatch) as service:
            await service.process_conversation_predictions("c", messages("hi", "hello"), {}, ANSWER)
            await service.record_conversation_outcome("c", "completed", {"conversion_value": 5})
            await service.record_feedback("c", "objection", ["price"], "human", START, turn=0)
        ids.append([line["id"] for line in recorded(tmp_path / run)])

    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2 + 2 + 1 + 1


async def test_an_id_carries_the_time_of_its_event(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.process_conversation_predictions("c", messages("hi"), {}, ANSWER)
        await service.track_event("c", "seen", {})

    for line in recorded(tmp_path):
        at = EPOCH + timedelta(milliseconds=int(line["id"].replace("-", "")[:12], 16))
        assert at == datetime.fromisoformat(line["timestamp"])
        assert line["id"][14] == "7"


async def test_a_message_without_a_time_has_the_time_it_was_first_seen(tmp_path, monkeypatch):
    said = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello", "timestamp": "yesterday"}]

    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.process_conversation_predictions("c", said[:1], {})
        service.session.clock.move(30)  # type: ignore[union-attr]
        await service.process_conversation_predictions("c", said, {})
        metrics = await service.get_ml_pipeline_metrics()

    times = [datetime.fromisoformat(line["timestamp"]) for line in recorded(tmp_path, "turn")]
    assert times == [START, START + timedelta(seconds=30)]
    assert metrics["buffers"]["noted"]["unreadable_timestamp"] == 1


async def test_every_message_counts_as_a_turn_even_a_broken_one(tmp_path, monkeypatch):
    said = [None, "bare text", {"role": "human", "content": [{"type": "text", "text": "parts"}]}, {"content": None}, 7]

    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.process_conversation_predictions("c", said, {})

    turns = [(line["data"]["turn"], line["data"]["role"], line["data"]["content"]) for line in recorded(tmp_path)]
    unknown = ("unknown", "")
    assert turns == [(0, *unknown), (1, "user", "bare text"), (2, "user", "parts"), (3, *unknown), (4, *unknown)]


async def test_a_repeat_of_a_turn_is_the_same_prediction(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch) as service:
        for _ in range(3):
            first = await service.process_conversation_predictions("c", messages("hi"), {}, ANSWER)
            again = await service.process_orchestrator_predictions("c", messages("hi"), {}, ANSWER)

    assert first["tracking_id"] == again["tracking_id"]
    assert len(recorded(tmp_path, "prediction")) == 2


@pytest.mark.parametrize(
    "reported",
    [
        ("objection", ANSWER["objections"]),
        ("objections", {"objections": ANSWER["objections"]}),
        ("OBJECTION", {"objections_predicted": [{"type": "price", "confidence": 0.7}], "needs_detected": []}),
        ("all", {"objections": ANSWER["objections"]}),
    ],
)
async def test_a_prediction_reported_apart_and_then_in_the_turn_is_one(tmp_path, monkeypatch, reported):
    async with offline_agent(tmp_path, monkeypatch) as service:
        event = await service.track_prediction("c", *reported)
        await service.process_conversation_predictions("c", messages("hi"), {}, ANSWER)

    objections = [line for line in recorded(tmp_path, "prediction") if line["data"]["task"] == "objection"]
    assert [(line["id"], line["data"]["turn"]) for line in objections] == [(event, 0)]
    assert objections[0]["data"]["probabilities"]["price"] == 0.7


@pytest.mark.parametrize(
    ("known", "context", "turn"),
    [
        (0, {}, 0),
        (0, {"message_count": 5}, 4),
        (0, {"turn": 6}, 6),
        (2, {}, 2),
        (3, {}, 2),
    ],
)
async def test_a_prediction_without_messages_belongs_to_the_customers_next_turn(
    tmp_path, monkeypatch, known, context, turn
):
    async with offline_agent(tmp_path, monkeypatch) as service:
        if known:
            await service.process_conversation_predictions("c", messages("a", "b", "c")[:known], {})
        await service.track_prediction("c", "conversion", {"probability": 0.5}, None, context)

    (line,) = recorded(tmp_path, "prediction")
    assert line["data"]["turn"] == turn


async def test_after_an_answered_turn_the_next_prediction_is_for_the_turn_after_the_agents(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.process_conversation_predictions("c", messages("a"), {}, ANSWER)
        await service.track_prediction("c", "conversion", {"probability": 0.5})

    assert recorded(tmp_path, "prediction")[-1]["data"]["turn"] == 2


async def test_a_prediction_whose_turn_was_guessed_wrong_is_replaced(tmp_path, monkeypatch):
    said = messages("x", "hello", "hi")[1:]

    async with offline_agent(tmp_path, monkeypatch) as service:
        guessed = await service.track_prediction("c", "objection", ANSWER["objections"])
        await service.process_conversation_predictions("c", said, {}, ANSWER)

    objections = [line["data"] for line in recorded(tmp_path, "prediction") if line["data"]["task"] == "objection"]
    assert [data["turn"] for data in objections] == [0, 1]
    assert objections[1]["replaces"] == guessed


def objections_told(tmp_path) -> list[tuple[int, str | None]]:
    """The turn of each recorded objection prediction, and the event it replaces."""
    found = [line["data"] for line in recorded(tmp_path, "prediction")]
    return [(data["turn"], data.get("replaces")) for data in found if data["task"] == "objection"]


@pytest.mark.parametrize("context", [{"turn": 0}, {"message_count": 1}])
async def test_an_answer_reported_for_a_named_turn_is_never_replaced(tmp_path, monkeypatch, context):
    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.track_prediction("c", "objection", ANSWER["objections"], None, context)
        await service.process_conversation_predictions("c", messages("a", "b", "c"), {}, ANSWER)

    assert objections_told(tmp_path) == [(0, None), (2, None)]


async def test_an_answer_whose_turn_was_guessed_right_is_not_replaced_by_an_equal_one_later(tmp_path, monkeypatch):
    said = messages("a", "b", "c", "d", "e")

    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.track_prediction("c", "objection", ANSWER["objections"])
        for length in (1, 3, 5):
            await service.process_conversation_predictions("c", said[:length], {}, ANSWER)

    assert objections_told(tmp_path) == [(0, None), (2, None), (4, None)]


async def test_an_answer_to_a_turn_that_the_agent_replied_to_is_not_replaced(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.track_prediction("c", "objection", ANSWER["objections"])
        await service.process_conversation_predictions("c", messages("a", "b", "c"), {}, ANSWER)

    assert objections_told(tmp_path) == [(0, None), (2, None)]


async def test_a_wrong_guess_leaves_its_turn_free_for_that_turns_own_answer(tmp_path, monkeypatch):
    said = [{**message, "role": "user"} for message in messages("a", "b", "c")]
    other = {"objections": {"objections": [{"type": "trust", "confidence": 0.6}]}}

    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.process_conversation_predictions("c", said[:1], {}, other)
        guessed = await service.track_prediction("c", "objection", ANSWER["objections"])
        await service.process_conversation_predictions("c", said[:2], {}, ANSWER)
        await service.process_conversation_predictions("c", said, {}, other)

    assert objections_told(tmp_path) == [(0, None), (2, None), (1, guessed), (2, None)]


async def test_confidence_given_apart_is_the_figure_of_labels_without_one(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.track_prediction("c", "needs", ["roi"], {"needs": 0.4})

    (line,) = recorded(tmp_path, "prediction")
    assert line["data"]["probabilities"]["roi"] == 0.4
    assert line["data"]["labels"] == ["roi"]


async def test_a_fallback_reported_apart_is_no_prediction(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch) as service:
        event = await service.track_prediction("c", "fallback", {"conversion_probability": 0.5})

    (line,) = recorded(tmp_path, "prediction")
    assert line["id"] == event
    assert line["data"]["is_fallback"] is True
    assert "probabilities" not in line["data"]


async def test_an_agents_event_carries_the_conversation_from_either_place(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.track_event("c", "a", {"x": 1})
        await service.event_tracker.track_event("b", {"conversation_id": "c"})
        await service.event_tracker.track_event("d", {}, conversation_id="c")
        await service.track_event(None, "e", {"conversation_id": "c"})
        await service.event_tracker.track_event("f")

    lines = recorded(tmp_path)
    assert [line.get("client_id") for line in lines] == ["c", "c", "c", "c", None]
    assert {line.get("conversation_id") for line in lines} == {conversation_uuid("c"), None}
    assert {line["event_category"] for line in lines} == {"agent"}


async def test_an_agents_event_never_passes_for_one_of_ours(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch) as service:
        for name in ("turn", "prediction", "outcome", "label", "x" * 60):
            await service.track_event("c", name, {})

    assert [line["event_type"] for line in recorded(tmp_path)] == [
        "agent.turn", "agent.prediction", "agent.outcome", "agent.label", "x" * 50,
    ]  # fmt: skip


async def test_a_conversation_id_that_is_a_uuid_stays(tmp_path, monkeypatch):
    given = "0B9C3C9E-8C1B-4E39-9C4F-5D1D3B0B3C11"

    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.track_event(given, "seen", {})

    (line,) = recorded(tmp_path)
    assert line["conversation_id"] == given.lower()
    assert "client_id" not in line


async def test_a_phone_number_as_conversation_id_does_not_reach_the_disk(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.track_event("whatsapp:+52 55 1234 5678", "seen", {})

    (line,) = recorded(tmp_path)
    assert line["client_id"] == "whatsapp:<PHONE>"


async def test_what_a_field_s_name_says_is_a_contact_does_not_reach_the_disk(tmp_path, monkeypatch):
    told = {
        "phone": 5512345678,
        "Telefono": 5551234,
        "contact": {"mobileNumber": 612345678.0, "emails": ["ana@home", b"ana@mail.mx"]},
        "phones": [np.int64(5551234), Decimal(5551234), "5551234, after six", {"home": "555 1234"}],
        "card": 4111111111111112,
        "dni": 12345678,
    }
    kept = {
        "phone_verified_at": 1750000000,
        "mobile": 512,
        "card_kind": "gold",
        "email": "opened",
        "amount": 5512345,
        "channels": {"email": 0.7, "whatsapp": True},
    }

    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.track_event("c", "profile", told)
        await service.track_event("c", "campaign", kept)

    assert recorded(tmp_path, "profile")[0]["data"] == {
        "phone": "<PHONE>",
        "Telefono": "<PHONE>",
        "contact": {"mobileNumber": "<PHONE>", "emails": ["<EMAIL>", "<EMAIL>"]},
        "phones": ["<PHONE>", "<PHONE>", "<PHONE>, after six", {"home": "<PHONE>"}],
        "card": "<CARD>",
        "dni": "<ID>",
    }
    assert recorded(tmp_path, "campaign")[0]["data"] == kept


async def test_an_outcome_keeps_what_is_known_and_the_rest(tmp_path, monkeypatch):
    metrics = {
        "conversion_value": "2,700",
        "currency": "USD",
        "tier_selected": "STARTER",
        "satisfaction_score": 4.5,
        "duration_seconds": 61.5,
        "message_count": 4,
        "ab_variants": {},
        "note": "mail ana@mail.mx",
        "timestamp": START + timedelta(minutes=3),
    }

    async with offline_agent(tmp_path, monkeypatch) as service:
        returned = await service.record_conversation_outcome("c", "Completed", metrics)
        await service.record_conversation_outcome("c", "Completed", metrics)

    (line,) = recorded(tmp_path)
    assert returned is None
    assert datetime.fromisoformat(line["timestamp"]) == START + timedelta(minutes=3)
    assert line["data"] == {
        "outcome": "completed",
        "conversion_value": 2700.0,
        "currency": "USD",
        "tier_selected": "STARTER",
        "satisfaction": 4.5,
        "duration_seconds": 61.5,
        "message_count": 4.0,
        "metrics": {"ab_variants": {}, "note": "mail <EMAIL>"},
    }


async def test_an_outcome_may_name_the_event_it_takes_the_place_of(tmp_path, monkeypatch):
    earlier = "01936d2c-5e00-7abc-8def-001234567890"

    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.record_conversation_outcome("c", "converted", {"conversion_value": 90, "supersedes": earlier})

    (line,) = recorded(tmp_path)
    assert (line["data"]["supersedes"], line["data"]["metrics"]) == (earlier, {})


async def test_an_outcome_that_changes_is_another_event(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.record_conversation_outcome("c", "completed", {"conversion_value": 10})
        await service.record_conversation_outcome("c", "refunded", {"conversion_value": 0})

    assert [line["data"]["conversion_value"] for line in recorded(tmp_path, "outcome")] == [10.0, 0.0]


@pytest.mark.parametrize(
    ("task", "labels", "expected"),
    [
        ("objection", ["price", "Trust"], ["price", "trust"]),
        ("objections", {"price"}, ["price"]),
        ("objection", [{"type": "need"}], ["need"]),
        ("objection", "need", ["need"]),
        ("objection", [], []),
        ("objection", ["weather", "price"], ["price", "weather"]),
        ("conversion", True, ["sold"]),
        ("conversion", False, []),
        ("conversion", ["sold"], ["sold"]),
        ("weather", ["rain"], ["rain"]),
    ],
)
async def test_feedback_is_a_label_of_its_task(tmp_path, monkeypatch, task, labels, expected):
    async with offline_agent(tmp_path, monkeypatch) as service:
        event = await service.record_feedback("c", task, labels, "crm", "2026-03-05", turn=2, value=3, currency="EUR")

    (line,) = recorded(tmp_path)
    assert line["id"] == event
    assert line["data"]["labels"] == expected
    assert (line["data"]["source"], line["data"]["turn"], line["data"]["value"]) == ("crm", 2, 3.0)
    assert datetime.fromisoformat(line["timestamp"]) == datetime(2026, 3, 5, tzinfo=UTC)


@pytest.mark.parametrize("labels", [None, [None], [7], {"probability": 0.5}, ["price", ""]])
async def test_feedback_that_cannot_be_read_is_never_taken_for_no_label(tmp_path, monkeypatch, labels):
    async with offline_agent(tmp_path, monkeypatch) as service:
        event = await service.record_feedback("c", "objection", labels, "human")
        metrics = await service.get_ml_pipeline_metrics()

    assert event is None
    assert metrics["buffers"]["refused"] == {"unreadable_labels": 1}


async def test_feedback_from_nobody_known_is_refused_and_counted(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch) as service:
        event = await service.record_feedback("c", "objection", ["price"], "a bird")
        metrics = await service.get_ml_pipeline_metrics()

    assert event is None
    assert metrics["buffers"]["refused"] == {"unknown_label_source": 1}


async def test_of_the_customer_only_what_is_allowed_goes_on(tmp_path, monkeypatch):
    context = {
        "phase": "CLOSING",
        "program_type": "prime",
        "platform": "Web",
        "language": "es-MX",
        "customer_data": {
            "name": "Ana Ruiz",
            "email": " Ana@Mail.MX ",
            "phone": "55 1234 5678",
            "age": 41,
            "diagnosis": "asthma",
            "since": datetime(2020, 1, 1, tzinfo=UTC),
        },
    }

    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.process_conversation_predictions("c", messages("hi"), context, ANSWER)
        await service.process_conversation_predictions("d", messages("hi"), {"customer_data": {"email": "ana@mail.mx"}})

    turn, prediction = recorded(tmp_path)[0], recorded(tmp_path, "prediction")[0]
    about = turn["data"]["conversation"]
    allowed = {"program": "PRIME", "platform": "web", "language": "es", "age_band": "35-44"}
    assert about == {**allowed, "customer_key": about["customer_key"]}
    assert prediction["data"]["context"] == {**allowed, "phase": "closing"}
    assert recorded(tmp_path, "turn")[1]["data"]["conversation"] == {"customer_key": about["customer_key"]}
    on_disk = b"".join(path.read_bytes() for path in (tmp_path / "spool").glob("*.seg"))
    assert not any(word in on_disk for word in (b"Ruiz", b"asthma", b"5678", b"ana@"))


async def test_the_conversation_is_told_once_and_again_when_it_changes(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch) as service:
        for platform in ("web", "web", "mobile"):
            await service.process_conversation_predictions("c", messages("hi"), {"platform": platform}, {})
            await service.track_event("c", "seen", {})

    told = [line["data"].get("conversation") for line in recorded(tmp_path)]
    assert told == [{"platform": "web"}, None, None, {"platform": "mobile"}]


async def test_a_source_stands_on_its_events(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch) as service:
        service.session.source = "persuasionforgood"
        await service.track_event("c", "seen", {})

    assert recorded(tmp_path)[0]["source"] == "persuasionforgood"


async def test_what_predictions_hold_beside_the_tasks_is_kept_once_a_turn_under_the_tracking_id(tmp_path, monkeypatch):
    given = {**ANSWER, "recommended_actions": ["call ana@mail.mx"], "model": "gpt"}

    async with offline_agent(tmp_path, monkeypatch) as service:
        for length in (1, 1, 3):
            result = await service.process_conversation_predictions("c", messages("a", "b", "c")[:length], {}, given)

    lines = recorded(tmp_path, "answer")
    assert [line["data"]["turn"] for line in lines] == [0, 2]
    assert lines[1]["data"]["rest"] == {"recommended_actions": ["call <EMAIL>"], "model": "gpt"}
    assert lines[1]["id"] == result["tracking_id"]


@pytest.mark.parametrize(
    ("part", "call"), [("event_tracker", "track_prediction_event"), ("drift_detector", "track_prediction")]
)
async def test_a_prediction_reported_to_any_part_is_the_same_prediction(tmp_path, monkeypatch, part, call):
    async with offline_agent(tmp_path, monkeypatch) as service:
        first = await service.track_prediction("c", "objection", ANSWER["objections"])
        again = await getattr(getattr(service, part), call)("c", "objection", ANSWER["objections"], None, {"turn": 0})

    assert first == again
    assert len(recorded(tmp_path, "prediction")) == 1


async def test_an_outcome_reported_to_any_part_is_the_same_outcome(tmp_path, monkeypatch):
    told = ("c", "completed", {"conversion_value": 5})

    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.record_conversation_outcome(*told)
        events = {
            await service.event_tracker.track_outcome_event(*told),
            await service.feedback_loop.queue_outcome(*told),
        }

    (line,) = recorded(tmp_path)
    assert events == {line["id"]}


async def test_a_figure_of_the_agents_own_and_an_experiments_event_are_kept_as_told(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.metrics_aggregator.record_metric("handoffs", np.int64(3), {"team": "a"}, "c")
        await service.event_tracker.track_experiment_event("c", "greeting", "warm", "smile", {"seconds": 4})

    metric, experiment = recorded(tmp_path)
    assert (metric["event_type"], metric["client_id"]) == ("metric", "c")
    assert metric["data"] == {"metric": "handoffs", "value": 3, "tags": {"team": "a"}}
    assert experiment["event_type"] == "experiment"
    assert experiment["data"] == {
        "experiment": "greeting", "variant": "warm", "event": "smile", "details": {"seconds": 4},
    }  # fmt: skip


async def test_a_request_for_retraining_is_on_disk_before_the_call_returns(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch) as service:
        answer = await service.model_updater.queue_update("objections", "mail ana@mail.mx: it fails", "urgent")
        (line,) = recorded(tmp_path)

    assert answer == {
        "status": "queued", "reason": None, "request_id": line["id"], "task": "objection", "priority": "normal",
    }  # fmt: skip
    assert line["event_type"] == "retraining_request"
    assert line["data"] == {
        "task": "objection", "mode": "anticipate", "reason": "mail <EMAIL>: it fails", "priority": "normal",
    }  # fmt: skip


async def test_a_price_told_as_text_is_a_figure_whatever_is_masked(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.record_conversation_outcome("c", "completed", {"conversion_value": "27000", "tier": "GOLD"})
        await service.record_conversation_outcome("d", "completed", {"conversion_value": "a lot", "at": START})

    first, second = (line["data"] for line in recorded(tmp_path))
    assert (first["conversion_value"], first["tier_selected"], first["metrics"]) == (27000.0, "GOLD", {})
    assert (second["conversion_value"], second["metrics"]) == (None, {"conversion_value": "a lot"})


@pytest.mark.parametrize(
    ("given", "client_id"),
    [(7, "7"), (7.0, "7"), (np.int64(7), "7"), (np.str_("c"), "c"), (b"c", "c"), (" c ", "c"), (UUID(int=7), None)],
)
async def test_a_conversation_id_is_known_in_whatever_form_it_comes(tmp_path, monkeypatch, given, client_id):
    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.track_event(given, "seen", {})

    (line,) = recorded(tmp_path)
    assert line.get("client_id") == client_id
    assert line["conversation_id"] == conversation_uuid(client_id or str(UUID(int=7)))


@pytest.mark.parametrize("given", [None, "", "  ", float("nan"), pd.NaT, pd.NA, True, object(), MagicMock(), {}, ["c"]])
async def test_what_is_no_conversation_id_is_refused_and_counted(tmp_path, monkeypatch, given):
    async with offline_agent(tmp_path, monkeypatch) as service:
        event = await service.track_prediction(given, "conversion", {"probability": 0.5})
        metrics = await service.get_ml_pipeline_metrics()

    assert event is None
    assert metrics["buffers"]["refused"] == {"missing_conversation_id": 1}
