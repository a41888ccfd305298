import random

import pytest

from ml_pipeline.online.predicting.features import HISTORY_CHARACTERS, Heard, feature_digest, feature_row

SAID = ("", " ", "Hello.", "¿Cuánto?", "too  expensive\n", "a " * 700, "x" * 2_500, "é" * 1_999, "🙂 ok")
ROLES = ("user", "user", "assistant", "assistant", "system", "unknown", "tool")
CONTEXT = {"phase": "closing", "language": "es"}


def whole_dialogue_row(turns):
    """The features as they are defined, from the whole dialogue."""
    current, earlier = turns[-1][1], turns[:-1]
    customer = [content for role, content in earlier if role == "user"]
    agent = [content for role, content in earlier if role == "assistant"]
    return {
        "current": current,
        "previous": agent[-1] if agent else "",
        "history": " ".join(customer)[-HISTORY_CHARACTERS:],
        "turn": float(len(turns) - 1),
        "current_words": float(len(current.split())),
        "customer_words": float(sum(len(content.split()) for content in customer)),
        "agent_words": float(sum(len(content.split()) for content in agent)),
        "current_questions": float(current.count("?")),
        "language": "es",
        "phase": "closing",
        "program": "",
        "platform": "",
        "age_band": "",
    }


@pytest.mark.parametrize("seed", range(40))
def test_what_is_heard_turn_by_turn_gives_the_row_of_the_whole_dialogue_at_every_turn(seed):
    draw = random.Random(seed)
    turns = [(draw.choice(ROLES), draw.choice(SAID)) for _ in range(draw.randint(1, 30))]
    heard = Heard()

    for place, (role, content) in enumerate(turns):
        heard.add(role, content)

        expected = whole_dialogue_row(turns[: place + 1])
        assert heard.row(CONTEXT) == expected == feature_row(turns[: place + 1], CONTEXT)
        assert feature_digest(heard.row(CONTEXT)) == feature_digest(expected)


def test_asking_for_a_row_changes_nothing():
    heard = Heard()
    heard.add("user", "Hello")

    rows = [heard.row({}), heard.row(CONTEXT), heard.row({})]

    assert rows[0] == rows[2]


def test_what_is_kept_of_a_dialogue_does_not_grow_with_it():
    heard = Heard()

    for _ in range(500):
        heard.add("user", "word " * 100)

    kept = [value for value in vars(heard).values() if isinstance(value, str)]
    assert sum(map(len, kept)) <= HISTORY_CHARACTERS + len("user") + 500


def test_the_row_before_anybody_spoke_is_empty():
    assert feature_row([], {})["turn"] == -1.0
    assert feature_row([], {})["history"] == ""
