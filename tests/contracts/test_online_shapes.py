"""Every shape of prediction that arrives ends as one, and goes back as it came."""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import msgspec
import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel

from ml_pipeline.online.predicting.reshape import replace_answer
from ml_pipeline.online.predicting.shapes import Answer, find_section, read_section
from ml_pipeline.vocabulary.tasks import CONVERSION, NEEDS, OBJECTION, Mode, Task, TaskKind
from tests.anything import ANYTHING, Hostile
from tests.online_agent import messages, offline_agent, recorded


class Objection(StrEnum):
    PRICE = "price"


class Level(Enum):
    HIGH = 0.9


class Item(BaseModel):
    type: str
    confidence: float


class Section(BaseModel):
    objections: list[Item]
    confidence: float


@dataclass
class Listed:
    type: str
    confidence: float


class Struct(msgspec.Struct):
    type: str
    confidence: float


PRICE = {"price": 0.7}
OBJECTIONS: dict[str, Any] = {
    "nested": {"objections": {"objections": [{"type": "price", "confidence": 0.7}], "primary_objection": "price"}},
    "flat list": {"objections_predicted": [{"type": "price", "confidence": 0.7}]},
    "flat nested": {"objections_predicted": {"objections": [{"type": "price", "confidence": 0.7}]}},
    "singular": {"objection": {"objections": [{"objection": "price", "score": 0.7}]}},
    "probability": {"objections": [{"label": "Price", "probability": "0.7"}]},
    "tuples": {"objections": [("price", 0.7)]},
    "probabilities": {"objections": {"probabilities": {"price": 0.7, "need": 0.1}}},
    "bare mapping": {"objections": {"price": 0.7, "need": 0.1}},
    "names with confidence": {"objections": {"objections": ["price"], "confidence": 0.7}},
    "set": {"objections": {"objections": {"price"}, "confidence": 0.7}},
    "numpy": {"objections": [{"type": np.str_("price"), "confidence": np.float32(0.7)}]},
    "decimal": {"objections": [{"type": "price", "confidence": Decimal("0.7")}]},
    "enum": {"objections": [{"type": Objection.PRICE, "confidence": 0.7}]},
    "pydantic": {"objections": Section(objections=[Item(type="price", confidence=0.7)], confidence=0.7)},
    "dataclass": {"objections": [Listed("price", 0.7)]},
    "msgspec": {"objections": [Struct("price", 0.7)]},
    "with rubbish": {"objections": [None, 7, "", {"type": "price", "confidence": 0.7}, {"type": "weather"}]},
    "with broken figures": {"objections": [("need", float("nan")), ("trust", 70), ("price", 0.7)]},
}


def read(section: object, task: Task) -> Answer:
    answer = read_section(section, task, lambda reason: None)
    assert answer is not None
    return answer


@pytest.mark.parametrize("given", OBJECTIONS.values(), ids=OBJECTIONS.keys())
def test_every_shape_of_objections_reads_the_same(given):
    section = given[find_section(given, OBJECTION)]

    answer = read(section, OBJECTION)

    assert set(answer.probabilities) == set(OBJECTION.labels)
    assert answer.probabilities["price"] == pytest.approx(0.7, abs=1e-6)
    assert answer.labels == ("price",)


CONVERSIONS: dict[str, Any] = {
    "nested": {"conversion": {"probability": 0.8, "will_convert": True, "conversion_level": "high"}},
    "flat": {"conversion_probability": 0.8},
    "flat nested": {"conversion_probability": {"probability": 0.8}},
    "bare": {"conversion": 0.8},
    "label": {"conversion": {"sold": 0.8}},
    "probabilities": {"conversion": {"probabilities": {"sold": 0.8}}},
    "verdict": {"conversion": {"will_convert": True, "confidence": 0.8}},
    "negative verdict": {"conversion": {"will_convert": False, "confidence": 0.2}},
    "numpy": {"conversion_probability": np.float64(0.8)},
    "text": {"conversion_probability": "0.8"},
}


@pytest.mark.parametrize("given", CONVERSIONS.values(), ids=CONVERSIONS.keys())
def test_every_shape_of_conversion_reads_the_same(given):
    section = given[find_section(given, CONVERSION)]

    answer = read(section, CONVERSION)

    assert answer.probabilities == {"sold": pytest.approx(0.8)}


def test_the_callers_own_verdict_outweighs_one_half():
    answer = read({"probability": 0.6, "will_convert": False}, CONVERSION)

    assert answer == Answer({"sold": 0.6}, ())


@pytest.mark.parametrize("section", [float("nan"), -0.1, 1.01, "soon", {}, {"conversion_level": "high"}, [], object()])
def test_what_is_no_probability_is_no_answer_and_is_counted(section):
    noted: list[str] = []

    answer = read_section(section, CONVERSION, noted.append)

    assert answer is None
    assert noted == ["unreadable_prediction"]


def test_a_task_of_another_company_brings_its_own_labels():
    task = Task("strategy", TaskKind.MULTI_LABEL, ("self-need", "No Need"), Mode.DETECT, "turn", "macro_ap")
    given = {"strategies": [{"type": "SELF_NEED", "confidence": 0.9}], "strategy": {"strategy": ["no-need"]}}

    answer = read(given["strategy"], task)

    assert answer.probabilities == {"self-need": 0.0, "No Need": 1.0}


ROI = {"type": "roi", "confidence": 0.9}
PRICING = {"type": "pricing", "confidence": 0.6}
REPLACED: dict[str, Any] = {
    "nested": (
        {"needs": {"needs": [ROI], "confidence": 0.9}, "extra": 1},
        {"needs": {"needs": [PRICING], "confidence": 0.6}, "extra": 1},
    ),
    "flat list": ({"needs_detected": [ROI]}, {"needs_detected": [PRICING]}),
    "bare names": ({"needs_detected": ["roi"]}, {"needs_detected": ["pricing"]}),
    "flat nested": (
        {"needs_detected": {"needs": ["roi"]}},
        {"needs_detected": {"needs": ["pricing"], "confidence": 0.6}},
    ),
    "own keys": ({"needs": [{"need": "roi", "score": 0.9}]}, {"needs": [{"need": "pricing", "score": 0.6}]}),
    "nothing, nested": (
        {"conversion": {"probability": 0.1}},
        {"conversion": {"probability": 0.1}, "needs": {"needs": [PRICING], "confidence": 0.6}},
    ),
    "nothing, flat": (
        {"conversion_probability": 0.1},
        {"conversion_probability": 0.1, "needs_detected": [PRICING]},
    ),
}


@pytest.mark.parametrize(("given", "expected"), REPLACED.values(), ids=REPLACED.keys())
def test_our_answer_goes_back_in_the_callers_shape(given, expected):
    answer = Answer({label: 0.6 if label == "pricing" else 0.1 for label in NEEDS.labels}, ("pricing",))

    changed = replace_answer(given, NEEDS, answer)

    assert changed == expected


def test_our_conversion_goes_back_with_its_level():
    given = {"conversion": {"probability": 0.9, "will_convert": True, "conversion_level": "high", "why": "x"}}

    changed = replace_answer(given, CONVERSION, Answer({"sold": 0.5}, ()))

    assert changed == {
        "conversion": {"probability": 0.5, "will_convert": False, "conversion_level": "medium", "why": "x"}
    }


WHOLE: dict[str, Any] = {
    "nested": {**OBJECTIONS["nested"], "needs": {"needs": [ROI]}, **CONVERSIONS["nested"]},
    "flat": {**OBJECTIONS["flat list"], "needs_detected": ["roi"], **CONVERSIONS["flat"], "recommended_actions": ["a"]},
    "flat nested": {**OBJECTIONS["flat nested"], "needs_detected": {"needs": ["roi"]}, **CONVERSIONS["flat"]},
}


@pytest.mark.parametrize("given", WHOLE.values(), ids=WHOLE.keys())
async def test_without_a_champion_the_caller_gets_back_what_he_gave(tmp_path, monkeypatch, given):
    async with offline_agent(tmp_path, monkeypatch) as service:
        result = await service.process_orchestrator_predictions("c", messages("hi"), {"phase": "closing"}, given)

    assert result["predictions"] == given
    assert result["served_by"] == {"objection": "caller", "needs": "caller", "conversion": "caller"}
    lines = {line["data"]["task"]: line["data"] for line in recorded(tmp_path, "prediction")}
    assert set(lines) == {"objection", "needs", "conversion"}
    assert all(line["version"] == "caller" and line["is_served"] and line["turn"] == 0 for line in lines.values())
    assert lines["conversion"]["probabilities"] == {"sold": 0.8}
    assert {line["mode"] for line in lines.values()} == {"anticipate", "detect"}


FAILURES = [{"error": "model away"}, {"prediction_type": "fallback", **WHOLE["flat"]}, {"is_fallback": True}]


@pytest.mark.parametrize("given", FAILURES)
async def test_a_failure_of_the_caller_is_kept_and_is_no_prediction(tmp_path, monkeypatch, given):
    async with offline_agent(tmp_path, monkeypatch) as service:
        result = await service.process_conversation_predictions("c", messages("hi"), {}, given)

    assert result["predictions"] == given
    assert result["served_by"] == {}
    (line,) = recorded(tmp_path, "prediction")
    assert "probabilities" not in line["data"]
    assert line["data"].get("error") or line["data"].get("is_fallback")


async def test_a_task_that_failed_leaves_the_others_standing(tmp_path, monkeypatch):
    given = {"objections": {"error": "timeout"}, "conversion": {"probability": 0.3}}

    async with offline_agent(tmp_path, monkeypatch) as service:
        result = await service.process_conversation_predictions("c", messages("hi"), {}, given)

    assert result["served_by"] == {"conversion": "caller"}
    by_task = {line["data"]["task"]: line["data"] for line in recorded(tmp_path, "prediction")}
    assert by_task["objection"]["error"] == "timeout"
    assert by_task["conversion"]["probabilities"] == {"sold": 0.3}


@pytest.mark.parametrize(
    ("section", "verdict"),
    [({"will_convert": None, "probability": 0.8}, True), ({"will_convert": "no", "probability": 0.8}, False),
     ({"will_convert": np.bool_(True), "probability": 0.2}, True)],
)  # fmt: skip
def test_a_verdict_is_read_in_whatever_form_it_comes_and_none_is_none(section, verdict):
    answer = read(section, CONVERSION)

    assert bool(answer.labels) is verdict


@pytest.mark.parametrize("figure", [MagicMock(), AsyncMock(), object(), [0.7], None, pd.NaT, "soon"])
def test_a_mock_is_no_figure(figure):
    answer = read_section({"probability": figure}, CONVERSION, lambda reason: None)

    assert answer is None


def test_one_broken_item_costs_no_other():
    noted: list[str] = []
    broken = {"type": Hostile(), "confidence": Hostile()}

    answer = read_section({"objections": [broken, ["price", 0.7]]}, OBJECTION, noted.append)

    assert answer is not None
    assert answer.labels == ("price",)
    assert noted == ["unreadable_item"]


@pytest.mark.parametrize("error", [None, False, "", float("nan"), [], {}])
async def test_an_error_that_says_nothing_is_none(tmp_path, monkeypatch, error):
    async with offline_agent(tmp_path, monkeypatch) as service:
        result = await service.process_conversation_predictions(
            "c", messages("hi"), {}, {"error": error, "conversion_probability": 0.3}
        )

    assert result["served_by"] == {"conversion": "caller"}


@pytest.mark.parametrize("name", ["hostile", "lying dict", "hostile in a list", "hostile in a dict"])
def test_our_answer_replaces_even_what_cannot_be_read(name):
    answer = Answer({label: 0.6 if label == "pricing" else 0.1 for label in NEEDS.labels}, ("pricing",))

    changed = replace_answer({"needs": ANYTHING[name](), "extra": 1}, NEEDS, answer)

    section = changed["needs"]
    listed = section if isinstance(section, list) else section["needs"]
    assert listed == [{"type": "pricing", "confidence": 0.6}]
    assert changed["extra"] == 1
