"""Whose answer goes back to the caller, and what a turn costs that came after many."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from ml_pipeline.online.conversations import MOST_REMEMBERED_PREDICTIONS, Conversations
from ml_pipeline.online.policy.document import Model, ModelEntry, Policy
from ml_pipeline.online.predicting.features import FeatureRow, Heard, feature_digest, feature_row
from ml_pipeline.online.predicting.shapes import Answer
from tests.online_agent import offline_agent, recorded

GIVEN = {
    "objections": {"objections": [{"type": "price", "confidence": 0.7}]},
    "needs": {"needs": [{"type": "roi", "confidence": 0.6}]},
    "conversion": {"probability": 0.3},
}
CONTEXT = {"phase": "closing", "language": "en"}
MODES = {"objection": "anticipate", "needs": "detect", "conversion": "anticipate"}
LABELS = {"objection": "trust", "needs": "support", "conversion": "sold"}


@dataclass
class FakePredictor:
    """Answers one label with .9; ``do`` comes first."""

    label: str
    do: Callable[[], None] = lambda: None
    rows: list[FeatureRow] = field(default_factory=list)

    def predict(self, row):
        self.rows.append(row)
        self.do()
        return Answer({self.label: 0.9}, (self.label,))


def model(task: str, predictor: Any = None, state: str = "champion", number: int = 1) -> Model:
    entry = ModelEntry(task, MODES[task], f"{task}.{MODES[task]}/{number}", state, 1.0, f"{task}{number}")
    answers: Any = predictor or FakePredictor(LABELS[task])
    return Model(entry, answers)


def fails():
    raise ZeroDivisionError


def spoken(count):
    return [
        {"role": "assistant" if turn % 2 else "user", "content": f"turn {turn}, how much?", "timestamp": 1.7e9 + turn}
        for turn in range(count)
    ]


@pytest.fixture
async def service(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch, predict_budget_ms="200") as started:
        yield started


def obey(service, *models):
    entries = tuple(each.entry for each in models)
    service.started().policy.policy = Policy((1, 1), models, entries=entries)


async def ask(service, turns=1, given=GIVEN, conversation="c"):
    return await service.process_conversation_predictions(conversation, spoken(turns), CONTEXT, given)


def predictions(tmp_path):
    return [line["data"] for line in recorded(tmp_path, "prediction")]


async def test_a_failing_champion_leaves_the_callers_answer_and_both_answer_and_event_say_so(service, tmp_path):
    obey(service, model("objection", FakePredictor("trust", fails)), model("needs"))

    result = await ask(service)

    assert result["served_by"] == {
        "objection": "caller",
        "needs": "needs.detect/1",
        "conversion": "caller",
    }
    assert result["predictions"]["objections"] == GIVEN["objections"]
    assert result["flags"] == {"objection": "prediction_failed"}
    told = {(data["task"], data["version"]): data.get("flag") for data in predictions(tmp_path)}
    assert told == {
        ("objection", "caller"): "prediction_failed",
        ("needs", "caller"): None,
        ("needs", "needs.detect/1"): None,
        ("conversion", "caller"): None,
    }


async def test_an_answer_after_the_budget_is_dropped_and_no_model_is_asked_any_more(service, tmp_path):
    never = FakePredictor("support")
    obey(service, model("objection", FakePredictor("trust", lambda: time.sleep(0.25))), model("needs", never))

    result = await ask(service)

    assert result["predictions"] == GIVEN
    assert set(result["served_by"].values()) == {"caller"}
    assert result["flags"] == dict.fromkeys(("objection", "needs"), "prediction_over_budget")
    assert never.rows == []
    metrics = await service.get_ml_pipeline_metrics()
    assert metrics["buffers"]["noted"]["prediction_over_budget"] == 2
    assert metrics["predictions"]["failures"] == 2


async def test_a_failing_shadow_flags_nothing(service):
    obey(service, model("objection"), model("objection", FakePredictor("trust", fails), "shadow", 2))

    result = await ask(service)

    assert set(result) == {"predictions", "tracking_id", "ab_variants", "confidence_scores", "served_by"}
    assert result["served_by"]["objection"] == "objection.anticipate/1"


async def test_a_task_nobody_answers_is_flagged_and_served_by_nobody(service):
    obey(service, model("objection", FakePredictor("trust", fails)))

    result = await ask(service, given=None)

    assert (result["predictions"], result["served_by"]) == ({}, {})
    assert result["flags"] == {"objection": "prediction_failed"}


async def test_a_call_keeps_the_policy_it_began_with(service):
    new = FakePredictor("integration")
    old = FakePredictor("trust", lambda: obey(service, model("needs", new, number=2)))
    obey(service, model("objection", old), model("needs"))

    during = await ask(service, conversation="c")
    after = await ask(service, conversation="d")

    assert during["served_by"]["needs"] == "needs.detect/1"
    assert (after["served_by"]["objection"], after["served_by"]["needs"]) == ("caller", "needs.detect/2")


async def test_every_turn_is_predicted_from_the_row_of_the_whole_dialogue(service, tmp_path):
    predictor = FakePredictor("trust")
    obey(service, model("objection", predictor))

    for turns in range(1, 21):
        await ask(service, turns)

    said = [(message["role"], message["content"]) for message in spoken(20)]
    expected = [feature_row(said[: turn + 1], CONTEXT) for turn in range(20)]
    assert predictor.rows == expected
    ours = [data for data in predictions(tmp_path) if data["version"] != "caller"]
    assert [data["feature_digest"] for data in ours] == [feature_digest(row) for row in expected]


async def test_a_conversation_that_was_forgotten_is_read_again_and_makes_the_same_events(service, tmp_path):
    predictor = FakePredictor("trust")
    obey(service, model("objection", predictor))
    service.started().conversations = Conversations(most=1)
    await ask(service, 7)
    before = {line["id"] for line in recorded(tmp_path)}

    await ask(service, 3, conversation="other")
    await ask(service, 7)

    assert predictor.rows[0] == predictor.rows[2]
    again = [line["id"] for line in recorded(tmp_path) if line["conversation_id"] != _uuid_of(tmp_path, 3)]
    assert set(again) == before
    assert len(again) == 2 * len(before)


def _uuid_of(tmp_path, turns):
    """The conversation of ``turns`` turns."""
    by_conversation: dict[str, set[int]] = {}
    for line in recorded(tmp_path, "turn"):
        by_conversation.setdefault(line["conversation_id"], set()).add(line["data"]["turn"])
    return next(uuid for uuid, heard in by_conversation.items() if len(heard) == turns)


async def test_an_earlier_turn_asked_for_again_has_the_row_it_had(service):
    predictor = FakePredictor("trust")
    obey(service, model("objection", predictor))

    for turns in (2, 8, 2, 9, 2):
        await ask(service, turns)

    assert predictor.rows[0] == predictor.rows[2] == predictor.rows[4]
    assert predictor.rows[3]["turn"] == 8.0


async def test_a_turn_costs_what_is_new_however_many_came_before(service, monkeypatch):
    heard = []
    add = Heard.add

    def counted(self, role, content):
        heard.append(content)
        add(self, role, content)

    monkeypatch.setattr(Heard, "add", counted)
    obey(service, model("objection"), model("needs"), model("conversion"))

    for turns in range(1, 61):
        await ask(service, turns)

    assert len(heard) == 60


async def test_what_is_remembered_of_predictions_does_not_grow_with_a_conversation(service, tmp_path):
    obey(service, model("objection"), model("needs"), model("conversion"))

    for turns in range(1, 61):
        await ask(service, turns)
    conversation = service.started().conversations.get("c")
    before = len(recorded(tmp_path, "prediction"))
    await ask(service, 60)

    assert len(conversation.predicted) <= MOST_REMEMBERED_PREDICTIONS
    assert before == len(recorded(tmp_path, "prediction")) == 60 * 6
