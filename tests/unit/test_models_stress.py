import numpy as np
import pandas as pd
import pytest

from ml_pipeline.models import stress
from ml_pipeline.models.personal_terms import personal_terms, vocabulary
from ml_pipeline.online.predicting.features import feature_row


def told(conversations: int = 40, turns: int = 3) -> pd.DataFrame:
    said = "it really costs quite some money every month and nobody explains anything about delivery"
    row = feature_row([("user", said), ("assistant", "Shall we start?"), ("user", said)], {"language": "en"})
    groups = [f"customer {number}" for number in range(conversations) for _ in range(turns)]
    return pd.DataFrame([row] * len(groups)).assign(customer_group=groups)


def test_typos_swap_letters_of_some_longer_words_and_lose_none():
    rows = told()

    worse = stress.typos(rows, np.random.default_rng(0))

    before, after = (" ".join(table["current"]).split() for table in (rows, worse))
    changed = [(one, two) for one, two in zip(before, after, strict=True) if one != two]
    assert 0.04 < len(changed) / len(before) < 0.12
    assert all(sorted(one) == sorted(two) and len(one) >= stress.SHORTEST_TYPO for one, two in changed)


def test_placeholders_take_the_place_of_some_words():
    worse = stress.placeholders(told(), np.random.default_rng(0))

    words = " ".join(worse["history"]).split()
    assert 0.05 < sum(word in stress.PLACEHOLDERS for word in words) / len(words) < 0.15


def test_a_truncated_context_is_what_an_agent_that_sends_the_last_message_alone_would_give():
    rows = told(1, 1)

    worse = stress.truncated(rows, np.random.default_rng(0)).drop(columns="customer_group")

    assert worse.iloc[0].to_dict() == feature_row([("user", rows["current"][0])], {"language": "en"})


def test_everyone_is_asked_the_same_of_whole_customers(monkeypatch):
    monkeypatch.setattr(stress, "MAX_ROWS", 30)
    asked: list[pd.DataFrame] = []

    def answer(rows: pd.DataFrame) -> np.ndarray:
        asked.append(rows)
        return np.zeros((len(rows), 1))

    first, second = (stress.stressed(told(), answer) for _ in range(2))

    assert list(first) == list(stress.STRESSES)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
        answered = ~np.isnan(first[name][:, 0])
        assert answered.sum() == 30
        assert (answered.reshape(40, 3).sum(axis=1) % 3 == 0).all()
    assert asked[0].equals(asked[3])


class Kept:
    """A model of which only the vocabulary is there."""

    def __init__(self, words: list[str], terms: list[str], categories: list[str]) -> None:
        text = type("Terms", (), {"analyzer": "word", "vocabulary_": dict.fromkeys(terms, 0)})()
        pieces = type("Pieces", (), {"analyzer": "char_wb", "vocabulary_": {"555 1": 0}})()
        one_hot = type("OneHot", (), {"categories_": [categories]})()
        steps = [("t", text, "current"), ("p", pieces, "current"), ("c", one_hot, ["platform"])]
        self.named_steps = {
            "words": type("Words", (), {"words_": np.array(words)})(),
            "columns": type("Columns", (), {"transformers_": steps})(),
        }


@pytest.mark.parametrize(
    ("model", "kinds"),
    [
        (Kept(["too", "expensive", "phone"], ["too expensive"], ["web", ""]), {}),
        (Kept(["fernando"], [], []), {"name": 1}),
        (Kept([], ["ana lopez"], []), {"name": 1}),
        (Kept([], [], ["ana@mail.mx"]), {"email": 1}),
        (Kept(["5512345678"], [], ["+52 55 1234 5678"]), {"phone": 2}),
    ],
)
def test_terms_that_name_or_reach_a_person_are_counted_by_kind_and_never_told(model, kinds):
    assert personal_terms(model) == kinds


def test_prices_that_stand_beside_each_other_are_no_number_of_a_person():
    assert personal_terms(Kept(["12", "500"], ["12 500", "calle luna"], [])) == {}


def test_a_word_that_any_name_could_follow_makes_no_name_of_the_next_one():
    assert personal_terms(Kept(["tell", "colleague"], ["tell colleague", "ask run", "don trust"], [])) == {}


def test_pieces_of_words_are_parts_of_known_words():
    assert "555 1" not in vocabulary(Kept(["word"], [], []))
