import numpy as np
import pandas as pd
import pytest

from ml_pipeline.models.candidates.columns import word_columns
from ml_pipeline.models.candidates.fit import fit
from ml_pipeline.models.candidates.recipe import LinearRecipe
from ml_pipeline.models.export import export, prove
from ml_pipeline.models.known_words import KnownWords
from ml_pipeline.models.training_set import assemble
from ml_pipeline.online.predicting.bundle import Terms, Words
from ml_pipeline.online.predicting.words import hide_unknown, words_of
from tests.unit.test_models_candidate import DETECT, conversations


def said(*texts: tuple[str, str], column: str = "current") -> pd.DataFrame:
    table = pd.DataFrame(texts, columns=["customer_group", column])
    return table.assign(**{name: "" for name in ("current", "previous", "history") if name != column})


def known(rows: pd.DataFrame, others: int) -> set[str]:
    return set(KnownWords(others, ["current", "previous", "history"]).fit(rows).words_)


def test_a_word_is_known_once_enough_others_have_said_it_besides_whoever_says_it():
    rows = said(("ana", "Price!"), ("ben", "price"), ("cem", "the PRICE, Eva"), ("dan", "the"))

    assert known(rows, others=2) == {"price"}
    assert known(rows, others=1) == {"price", "the"}
    assert known(rows, others=3) == set()


def test_what_one_customer_says_in_all_his_calls_was_said_once():
    rows = said(*[("ana", "Perez Perez")] * 50, *[("ben", "Perez")] * 50)

    assert known(rows, others=2) == set()


def test_a_name_stays_hidden_however_many_say_it():
    rows = said(("ana", "Harvey took my roof"), ("ben", "harvey took all"), ("cem", "took"))

    assert known(rows, others=1) == {"took"}


@pytest.mark.parametrize("column", ["current", "previous", "history"])
def test_words_of_every_text_column_count(column):
    rows = said(("ana", "price"), ("ben", "price"), column=column)

    assert known(rows, others=1) == {"price"}


def test_a_history_that_grows_reads_as_if_each_text_stood_alone():
    grown = ["", "no price", "no prices", "no prices, Eva", "no prices, Eva fee", "fee no", "fee no fee"]
    rows = said(*[(name, text) for name in ("ana", "ben", "cem") for text in grown], column="history")
    words = KnownWords(2, ["history"]).fit(rows)

    at_once = words.transform(rows)["history"].str.split().to_list()

    assert set(words.words_) == {"no", "price", "prices", "fee"}
    assert at_once == [words.transform(rows.iloc[[place]])["history"].iloc[0].split() for place in range(len(rows))]
    assert at_once[4] == ["no", "prices,", "fee"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Me llamo Juan Pérez.", "me llamo  ."),
        ("Juan,me", ",me"),
        ("JUAN-llamo_juan", "-"),
        ("4929123", ""),
        ("me\n\tjuan me", "me\n\t me"),
        ("", ""),
        ("ÉL me", " me"),
    ],
)
def test_only_unknown_words_are_hidden_and_what_stands_between_stays(text, left):
    assert hide_unknown(text, {"me", "llamo"}) == left


def test_hiding_twice_hides_no_more():
    text = "Me llamo İbrahim Σωκράτης, ¿me LLAMO?"
    hidden = hide_unknown(text, frozenset(words_of(text)) - {"llamo"})

    assert hide_unknown(hidden, frozenset(words_of(text)) - {"llamo"}) == hidden


@pytest.fixture(scope="module")
def named():
    """A training set in which three customers name themselves, and one of them in every turn."""
    heard = conversations(160)
    rows = assemble(DETECT, heard)
    groups = {name: f"Zacarías{place}" for place, name in enumerate(rows.conversation_ids[:3])}
    names = rows.rows["conversation_id"].map(groups).fillna("")
    rows.rows["current"] = rows.rows["current"] + " " + names + " expensivo expensivo4929"
    rows.rows.loc[rows.rows["conversation_id"] != rows.conversation_ids[0], "current"] = rows.rows[
        "current"
    ].str.replace(" expensivo expensivo4929", "")
    model = fit(rows.part("train"), rows.part("calibration"), LinearRecipe(2.0, None, 5), word_columns(DETECT))
    return rows, model


def test_no_column_of_a_model_and_nothing_in_its_bundle_holds_a_rare_word_or_a_piece_of_one(named):
    _, model = named
    parts = list(export(model, DETECT, "v/1").parts())

    terms = {term for part in parts if isinstance(part, Terms) for term in part.terms}
    words = {word for part in parts if isinstance(part, Words) for word in part.words}
    for rare in ("zacar", "acarí", "nsivo", "4929", "o4", "vo "):
        assert not any(rare in told for told in terms | words)
    assert {"expensive", "expen", "too expensive"} <= terms | words


def test_what_is_hidden_in_training_is_hidden_from_the_agent_to_the_last_digit(named):
    rows, model = named

    everyone = rows.part("train", "calibration", "gate").rows

    assert prove(export(model, DETECT, "v/1"), model, everyone, 1_000) == min(1_000, len(everyone))


def test_a_model_answers_as_if_the_name_had_not_been_said(named):
    rows, model = named
    heard = rows.part("gate").rows.head(20)

    plain = model.predict_proba(heard.assign(current="that is too expensive"))
    with_name = model.predict_proba(heard.assign(current="that is Zacarías0 4929 too expensive"))

    assert np.array_equal(plain, with_name)


def test_features_and_their_digests_know_of_no_list(named):
    rows, _ = named

    assert rows.rows["current"].str.contains("Zacarías0").any()
