"""What of a customer reaches the disk, over whole conversations."""

from datetime import date

import msgspec
import pytest

from tests.online_agent import messages, offline_agent, recorded

ANSWER = {"conversion": {"probability": 0.8}}


def on_disk(tmp_path) -> str:
    return msgspec.json.encode(recorded(tmp_path)).decode()


async def test_names_in_customer_data_are_masked_in_all_that_follows_and_never_kept(tmp_path, monkeypatch):
    said = messages("quiero ayuda", "claro xandria, dígame", "soy la xandria de siempre")
    customer = {"customer_data": {"firstName": "Xandria", "last_name": "Quillén"}}

    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.process_conversation_predictions("c", said[:1], customer, ANSWER)
        await service.process_conversation_predictions("c", said, {}, ANSWER)
        await service.track_event("c", "note", {"text": "la señora Quillen llama mañana"})
        await service.record_conversation_outcome("c", "completed", {"summary": "XANDRIA compra"})

    assert [line["data"]["content"] for line in recorded(tmp_path, "turn")] == [
        "quiero ayuda", "claro <NAME>, dígame", "soy la <NAME> de siempre",
    ]  # fmt: skip
    assert "xandria" not in on_disk(tmp_path).lower()
    assert "quill" not in on_disk(tmp_path).lower()


async def test_a_name_the_customer_introduces_is_masked_when_the_agent_says_it(tmp_path, monkeypatch):
    said = messages("hola me llamo xandria quill", "mucho gusto Xandria")

    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.process_conversation_predictions("c", said, {})

    contents = [line["data"]["content"] for line in recorded(tmp_path, "turn")]
    assert contents == ["hola me llamo <NAME>", "mucho gusto <NAME>"]


async def test_a_short_answer_to_a_question_is_masked_whole_also_after_a_nod(tmp_path, monkeypatch):
    said = messages(
        "hi", "What is your phone number?", "five five", "go on", "one two", "Thanks, now what else?", "zwei drei"
    )

    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.process_conversation_predictions("c", said, {})

    contents = [line["data"]["content"] for line in recorded(tmp_path, "turn")]
    assert contents[2::2] == ["<NUMBER>", "<NUMBER>", "zwei drei"]


async def test_the_language_is_heard_where_the_caller_does_not_tell_it_and_stays(tmp_path, monkeypatch):
    said = messages("hola", "hello", "quiero saber cuánto cuesta esto para mi empresa", "ok", "the price is what it is")

    async with offline_agent(tmp_path, monkeypatch) as service:
        for length in (1, 3, 5):
            await service.process_conversation_predictions("c", said[:length], {}, ANSWER)
        await service.process_conversation_predictions("d", said[:3], {"language": "en"}, ANSWER)

    turns = recorded(tmp_path, "turn")
    assert [line["data"]["language"] for line in turns[:5]] == [None, None, "es", "es", "es"]
    assert {line["data"]["language"] for line in turns[5:]} == {"en"}
    told = turns[2]["data"]["conversation"]
    assert told["language"] == "es"
    assert 0.9 <= told["language_confidence"] < 1
    contexts = [line["data"]["context"] for line in recorded(tmp_path, "prediction")]
    assert contexts == [{}, {"language": "es"}, {"language": "es"}, {"language": "en"}]


async def test_customer_data_inside_a_payload_passes_the_same_list(tmp_path, monkeypatch):
    told = {"customer_data": {"name": "Xandria", "age": 41, "diagnosis": "asthma", "email": "x@y.mx"}, "step": 2}

    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.track_event("c", "profile", told)

    assert recorded(tmp_path, "profile")[0]["data"] == {"customer_data": {"age_band": "35-44"}, "step": 2}


async def test_a_field_the_operator_names_is_kept_masked_and_cut_as_data_and_no_feature(tmp_path, monkeypatch):
    context = {
        "phase": "closing",
        "customer_data": {
            "name": "Xandria",
            "goal": "x" * 300,
            "note": "Xandria, 5512345678",
            "since": date(2020, 1, 1),
        },
        "mood": {"now": "calm"},
        "channel": "chat",
    }

    async with offline_agent(tmp_path, monkeypatch, customer_fields="goal,note,channel,mood,absent") as service:
        await service.process_conversation_predictions("c", messages("hi"), context, ANSWER)

    (prediction,) = recorded(tmp_path, "prediction")
    named = {"goal": "x" * 200, "note": "<NAME>, <PHONE>", "channel": "chat"}
    assert prediction["data"]["context"] == {"phase": "closing", "customer_fields": named}


async def test_fields_named_after_a_person_an_address_or_a_birth_are_masked_whole(tmp_path, monkeypatch):
    told = {
        "customer_name": "Zoltan Z",
        "homeAddress": "wherever 1",
        "email_address": "x@y",
        "ip_address": "10.0.0.1",
        "birth_date": date(1980, 5, 1),
        "dob": "1980",
        "session_id": "abc-123456",
        "created_at": "2026-03-02T09:00:00.123456+00:00",
    }

    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.track_event("c", "profile", told)

    assert recorded(tmp_path, "profile")[0]["data"] == {
        **told,
        "customer_name": "<NAME>",
        "homeAddress": "<ADDRESS>",
        "email_address": "<EMAIL>",
        "ip_address": "<NUMBER>",
        "birth_date": "<BIRTH_DATE>",
        "dob": "<BIRTH_DATE>",
    }


@pytest.mark.parametrize("customer", [None, 7, ["name"], {"name": None}, {"name": 7}, {"name": {"first": object()}}])
async def test_broken_customer_data_costs_nothing(tmp_path, monkeypatch, customer):
    async with offline_agent(tmp_path, monkeypatch) as service:
        result = await service.process_conversation_predictions(
            "c", messages("hi"), {"customer_data": customer}, ANSWER
        )

    assert result["predictions"] == ANSWER
    assert [line["data"]["content"] for line in recorded(tmp_path, "turn")] == ["hi"]
