import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.online.predicting.shapes import find_section, read_section
from ml_pipeline.samples import casino, persuasion
from ml_pipeline.samples.agent_shapes import flat, nested
from ml_pipeline.samples.rule_agent import HEARD, SILENT, RuleAgent
from ml_pipeline.vocabulary.tasks import CONVERSION, DEFAULT_TASKS, NEEDS, OBJECTION, Task

P4G = (persuasion.OBJECTION, NEEDS, CONVERSION)
CASINO = (OBJECTION, casino.NEEDS, casino.VALUED_ITEM, CONVERSION)

turns = st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text(max_size=60)), max_size=6)


@pytest.mark.parametrize("tasks", [DEFAULT_TASKS, P4G, CASINO])
@given(said=turns, phase=st.text(max_size=12))
def test_every_label_of_every_task_gets_a_probability(tasks: tuple[Task, ...], said: list[tuple[str, str]], phase: str):
    answers = RuleAgent(tasks).answer(said, phase)

    assert {name: tuple(labels) for name, labels in answers.items()} == {task.name: task.labels for task in tasks}
    assert all(0 <= p <= 1 and math.isfinite(p) for labels in answers.values() for p in labels.values())


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ("that is too expensive for me", "price"),
        ("es demasiado caro", "price"),
        ("how do i know it is not a scam", "trust"),
        ("no es el momento", "urgency"),
        ("ya estoy con otro", "competition"),
    ],
)
def test_a_phrase_in_either_language_is_heard(said: str, label: str):
    answers = RuleAgent(DEFAULT_TASKS).answer([("assistant", "Shall we?"), ("user", said)])

    assert answers["objection"] == {name: HEARD if name == label else SILENT for name in OBJECTION.labels}


def test_only_the_last_customer_turn_counts_for_a_label_of_a_turn():
    said = [("user", "too expensive"), ("assistant", "It is not expensive."), ("user", "fine")]

    assert RuleAgent(DEFAULT_TASKS).answer(said)["objection"]["price"] == SILENT


def test_a_label_of_the_conversation_stays_once_heard():
    said = [("user", "we are always thirsty"), ("assistant", "And food?"), ("user", "fine")]

    assert RuleAgent(CASINO).answer(said)["valued_item"] == {"food": SILENT, "water": HEARD, "firewood": SILENT}


def test_a_sale_grows_likelier_with_agreement_and_less_likely_with_refusal():
    def sale(*said: str) -> float:
        return RuleAgent(DEFAULT_TASKS).answer([("user", words) for words in said])["conversion"]["sold"]

    assert sale("no", "no") < sale("no") < sale("hm") < sale("yes") < sale("yes", "sounds good")


def test_a_sale_grows_likelier_in_the_closing_phase():
    agent = RuleAgent(DEFAULT_TASKS)

    chances = [agent.answer([("user", "hm")], phase)["conversion"]["sold"] for phase in ("greeting", "closing")]

    assert chances[0] < chances[1]


@pytest.mark.parametrize("tasks", [DEFAULT_TASKS, P4G, CASINO])
@pytest.mark.parametrize("shape", [nested, flat])
def test_the_online_module_reads_back_what_the_agent_shaped(tasks: tuple[Task, ...], shape):
    said = [("user", "hello, the price is not fair, i need water and it is not sure to work, maybe later yes")]
    answers = RuleAgent(tasks).answer(said, "closing")

    shaped = shape(answers, tasks)

    for task in tasks:
        key = find_section(shaped, task)
        assert key is not None
        read = read_section(shaped[key], task, note=pytest.fail)
        assert read is not None
        assert read.probabilities == answers[task.name]
        assert set(read.labels) == {label for label, p in answers[task.name].items() if p >= 0.5}


def test_the_nested_shape_has_the_keys_that_orchestrators_use():
    shaped = nested(RuleAgent(DEFAULT_TASKS).answer([("user", "too expensive")]), DEFAULT_TASKS)

    assert set(shaped) == {"objections", "needs", "conversion"}
    assert shaped["objections"]["primary_objection"] == "price"
    assert shaped["objections"]["objections"] == [{"type": "price", "confidence": HEARD}]
    assert set(shaped["conversion"]) == {"probability", "will_convert", "conversion_level"}


def test_the_flat_shape_has_the_keys_that_orchestrators_use():
    shaped = flat(RuleAgent(DEFAULT_TASKS).answer([("user", "yes")]), DEFAULT_TASKS)

    assert set(shaped) == {"objections_predicted", "needs_detected", "conversion_probability", "recommended_actions"}
