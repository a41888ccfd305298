"""What rules read: phrases people say, what negates them, and how speech recognition writes them."""

import hashlib

import msgspec
import pytest

from ml_pipeline.acts.rules import LANGUAGES, MOST_CHARACTERS, REVISION, Rules, phrases
from ml_pipeline.vocabulary.acts import Act

RULES = {language: Rules(known) for language, known in phrases().items()}

SPANISH = {
    "Es demasiado caro para nosotros": {Act.OBJECTION_PRICE},
    "no me lo puedo permitir ahora mismo": {Act.OBJECTION_PRICE},
    "se sale de nuestro presupuesto": {Act.OBJECTION_PRICE},
    "la verdad es que no lo necesito": {Act.OBJECTION_NEED},
    "No le veo sentido.": {Act.OBJECTION_NEED},
    "no tengo mucho tiempo": {Act.OBJECTION_URGENCY},
    "llámeme el mes que viene": {Act.OBJECTION_URGENCY},
    "¿Esto es una estafa?": {Act.OBJECTION_TRUST, Act.QUESTION},
    "no me fío de ustedes": {Act.OBJECTION_TRUST},
    "le falta una aplicación": {Act.OBJECTION_FEATURES},
    "la competencia me lo deja mejor": {Act.OBJECTION_COMPETITION, Act.COMPETITOR},
    "ya trabajamos con otra empresa": {Act.OBJECTION_COMPETITION, Act.COMPETITOR},
    "¿Me puede explicar cómo va?": {Act.NEED_INFORMATION, Act.QUESTION},
    "¿Cuánto cuesta?": {Act.NEED_PRICING, Act.PRICE_QUESTION, Act.QUESTION},
    "¿qué incluye?": {Act.NEED_FEATURES, Act.QUESTION},
    "a quién llamo si tengo un problema": {Act.NEED_SUPPORT, Act.QUESTION},
    "es compatible con eso": {Act.NEED_INTEGRATION},
    "quiero ver el retorno": {Act.NEED_ROI},
    "Trato hecho, me apunto.": {Act.AGREEMENT},
    "qué interesante": {Act.INTEREST, Act.QUESTION},
    "No sé, tengo que pensarlo.": {Act.HESITATION},
    "no, gracias": {Act.REFUSAL},
    "No me interesa": {Act.REFUSAL},
    "Buenos días": {Act.GREETING},
    "muchas gracias": {Act.THANKS},
    "hace sol": set(),
}
ENGLISH = {
    "That's way too expensive": {Act.OBJECTION_PRICE},
    "I can't afford that": {Act.OBJECTION_PRICE},
    "I don't really need it": {Act.OBJECTION_NEED},
    "This is not a good time": {Act.OBJECTION_URGENCY},
    "Call me back next month": {Act.OBJECTION_URGENCY},
    "It sounds like a scam": {Act.OBJECTION_TRUST},
    "I don't trust these offers": {Act.OBJECTION_TRUST},
    "It's missing an app": {Act.OBJECTION_FEATURES},
    "your competitor is better": {Act.OBJECTION_COMPETITION, Act.COMPETITOR},
    "Could you tell me more?": {Act.NEED_INFORMATION, Act.QUESTION},
    "How much does it cost?": {Act.NEED_PRICING, Act.PRICE_QUESTION, Act.QUESTION},
    "does it include the app": {Act.NEED_FEATURES, Act.QUESTION},
    "is there any customer support": {Act.NEED_SUPPORT, Act.QUESTION},
    "it should integrate with that": {Act.NEED_INTEGRATION},
    "I want to see the return on investment": {Act.NEED_ROI},
    "Sign me up": {Act.AGREEMENT},
    "That's a great idea": {Act.INTEREST},
    "I'm not sure, let me think": {Act.HESITATION},
    "No thank you": {Act.REFUSAL},
    "I'm not interested": {Act.REFUSAL},
    "Good morning": {Act.GREETING},
    "thanks a lot": {Act.THANKS},
    "it rains": set(),
}


@pytest.mark.parametrize(("said", "acts"), SPANISH.items())
def test_spanish(said, acts):
    assert RULES["es"].read(said) == acts


@pytest.mark.parametrize(("said", "acts"), ENGLISH.items())
def test_english(said, acts):
    assert RULES["en"].read(said) == acts


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("es", "no es demasiado caro"),
        ("es", "tampoco me parece muy caro"),
        ("es", "no es que no me fíe"),
        ("en", "it's not too expensive"),
        ("en", "that isn't really a scam"),
        ("en", "not that I don't trust you"),
    ],
)
def test_what_is_negated_is_not_there(language, said):
    assert not {act for act in RULES[language].read(said) if act.startswith("objection_")}


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("es", "No, es demasiado caro."),
        ("es", "no solo es demasiado caro"),
        ("es", "no me quejo del servicio pero es demasiado caro"),
        ("en", "No. It's too expensive."),
        ("en", "not only too expensive"),
        ("en", "i do not mind the colour but it is too expensive"),
    ],
)
def test_a_negation_of_another_clause_negates_nothing(language, said):
    assert Act.OBJECTION_PRICE in RULES[language].read(said)


@pytest.mark.parametrize(
    ("language", "written", "heard"),
    [
        ("es", "¿Cuánto cuesta? Es demasiado caro.", "cuanto cuesta es pues demasiado demasiado caro"),
        ("en", "It's too expensive, I can't afford it", "its um too too expensive i cant afford it"),
    ],
)
def test_speech_without_punctuation_accents_and_with_fillers_reads_the_same(language, written, heard):
    assert RULES[language].read(written) - {Act.QUESTION} == RULES[language].read(heard) - {Act.QUESTION}


@pytest.mark.parametrize("garbage", ["", "?", "....", "\x00", "🙂" * 9, "no " * 9_999, "a" * 99_999, "¿¡!?"])
def test_garbage_holds_no_objection(garbage):
    for language in LANGUAGES:
        assert not {act for act in RULES[language].read(garbage) if act.startswith("objection_")}


def test_a_turn_is_read_to_a_bound_only():
    assert RULES["en"].read("word " * MOST_CHARACTERS + "too expensive") == frozenset()


def test_the_same_acts_have_rules_in_every_language():
    spoken = {language: set(known.acts) for language, known in phrases().items()}

    assert spoken["es"] == spoken["en"] == set(Act) - {Act.OTHER}


def test_phrases_change_with_their_revision_only():
    """A tagger is named after the revision: raise it, and put the new digest here."""
    digest = hashlib.sha256(msgspec.json.encode(phrases(), order="deterministic")).hexdigest()

    assert (REVISION, digest[:16]) == (1, "04a21f3ee51d6fd6")
