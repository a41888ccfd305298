"""Taggers as documents, what the agent tells, and the labels that follow."""

import hashlib

import msgspec
import pytest

from ml_pipeline.acts.agent_events import read_event
from ml_pipeline.acts.derived import Tagged, derivable, label_lines
from ml_pipeline.acts.document import RULES_ONLY, decode, encode, rules_only
from ml_pipeline.acts.tagger import Reading, Said, Tagger
from ml_pipeline.errors import BundleError
from ml_pipeline.jobs import train_acts
from ml_pipeline.models.act_heads import act_task
from ml_pipeline.models.conversations import LabelledConversation, Spoken, Truth
from ml_pipeline.models.training_set import assemble
from ml_pipeline.vocabulary.acts import TELLING_EVENTS, Act, ActSource
from ml_pipeline.vocabulary.tasks import DEFAULT_TASKS, NEEDS, OBJECTION, Task, TaskKind
from tests.integration.events import after

SLANG = {("objection_price",): "that would break the bank", ("objection_trust",): "smells fishy", (): "go on then"}
"""Words that no rule knows."""


@pytest.fixture(scope="module")
def head():
    """A head that has learnt slang in English, and a little Spanish."""
    kinds = list(SLANG)
    conversations = []
    for number in range(120):
        kind = kinds[number % 3]
        language = "es" if number < 6 else "en"
        spoken = (
            Spoken(0, "assistant", "And now?"),
            Spoken(1, "user", f"well {SLANG[kind]}", context={"language": language}),
        )
        truth: dict[int | None, Truth] = {1: Truth(kind, "human", after())}
        conversations.append(LabelledConversation(f"c{number}", f"c{number}", after(number), spoken, truth))
    task = act_task("objection", [Act.OBJECTION_PRICE, Act.OBJECTION_TRUST])
    return train_acts.train_head(assemble(task, conversations))


@pytest.fixture(scope="module")
def document(head):
    return train_acts.assembled(rules_only(), [head], "acts/1")


def test_a_document_survives_its_encoding_and_keeps_its_digest(document):
    digest, content = encode(document)

    again = decode(content, digest)

    assert again == document
    assert encode(again) == (digest, content)


def test_an_altered_document_is_refused(document):
    digest, content = encode(document)

    with pytest.raises(BundleError, match="was altered"):
        decode(content.replace(b"fishy", b"fussy"), digest)


def test_a_document_of_a_later_release_is_refused():
    content = b'{"format": 9}'
    digest = hashlib.sha256(content).hexdigest()

    with pytest.raises(BundleError, match="cannot be read by this release"):
        decode(content, digest)


def test_a_decoded_tagger_reads_like_the_one_that_was_made(document):
    digest, content = encode(document)
    said = [Said(f"well {text}", "And now?", "en") for text in SLANG.values()]

    made, kept = Tagger(document), Tagger(decode(content, digest))

    assert [made.read(each) for each in said] == [kept.read(each) for each in said]


def test_what_a_head_has_learnt_it_reads_and_the_rules_read_the_rest(document):
    readings = Tagger(document).read(Said("well that would break the bank, I'm not interested", "And now?", "en"))

    assert readings is not None
    assert readings[Act.OBJECTION_PRICE].source is ActSource.MODEL
    assert readings[Act.REFUSAL] == Reading(ActSource.RULE)


def test_the_rules_read_a_language_in_which_the_head_saw_too_little(document, head):
    assert head.languages == {Act.OBJECTION_PRICE: ["en"], Act.OBJECTION_TRUST: ["en"]}

    slang, spanish = (Tagger(document).read(Said(text, language="es")) for text in ("smells fishy", "es muy caro"))

    assert slang == {Act.OTHER: Reading(ActSource.RULE)}
    assert spanish == {Act.OBJECTION_PRICE: Reading(ActSource.RULE)}


def test_a_tagger_keeps_the_phrases_it_was_made_with(document):
    phrases = {name: msgspec.structs.replace(known, acts={}) for name, known in document.phrases.items()}
    older = msgspec.structs.replace(document, phrases=phrases, heads=[])

    assert Tagger(older).read(Said("too expensive", language="en")) == {Act.OTHER: Reading(ActSource.RULE)}


def test_where_nobody_knows_the_language_both_are_read():
    tagger = Tagger(rules_only())

    assert tagger.read(Said("demasiado caro")) == tagger.read(Said("too expensive"))


def test_a_head_reads_better_than_rules_that_do_not_know_its_words(head):
    figures = head.quality[Act.OBJECTION_PRICE]

    assert (figures.f1.value, figures.rules_f1.value) == (1.0, 0.0)
    assert figures.positives >= 5


@pytest.mark.parametrize(
    ("event_type", "data", "acts"),
    [
        ("objection_detected", {"type": "price"}, {Act.OBJECTION_PRICE: 1.0}),
        ("objection_detected", {"objection_type": "PRICE", "confidence": 0.7}, {Act.OBJECTION_PRICE: 0.7}),
        (
            "objections_detected",
            {"objections": [{"type": "price", "confidence": 0.9}, {"type": "trust", "confidence": 0.6}]},
            {Act.OBJECTION_PRICE: 0.9, Act.OBJECTION_TRUST: 0.6},
        ),
        ("needs_identified", {"needs": ["roi", "unheard of"]}, {Act.NEED_ROI: 1.0}),
        ("need_stated", {"label": "support", "version": "caller"}, {Act.NEED_SUPPORT: 1.0}),
        ("competitor_mentioned", {"competitor": "Acme"}, {Act.COMPETITOR: 1.0}),
        ("hesitation_detected", None, {Act.HESITATION: 1.0}),
        ("objection_detected", {"type": "price", "model_version": "objection.detect/4"}, {}),
        ("objection_detected", {"type": ["no", {"such": "thing"}]}, {}),
        ("objection_detected", {"type": 7}, {}),
        ("objection_detected", ["price"], {}),
        ("objection_detected", {}, {}),
    ],
)
def test_what_an_agent_tells(event_type, data, acts):
    assert read_event(event_type, data) == acts


def test_every_telling_event_can_be_read():
    assert [read_event(event_type, {}) is not None for event_type in TELLING_EVENTS] == [True] * len(TELLING_EVENTS)


def tagged(*acts: Act, tagger: str = RULES_ONLY) -> Tagged:
    return Tagged("c", 1, after(), "01890000-0000-7000-8000-000000000001", "agent", tagger, frozenset(acts))


def test_labels_follow_from_acts_in_the_order_of_the_task():
    lines = list(label_lines(tagged(Act.OBJECTION_TRUST, Act.OBJECTION_PRICE, Act.REFUSAL), None, DEFAULT_TASKS))

    assert [(line["data"]["task"], line["data"]["labels"]) for line in lines] == [
        ("objection", ["price", "trust"]),
        ("needs", []),
    ]


def test_equal_labels_of_one_tagger_are_one_event():
    first = list(label_lines(tagged(Act.NEED_ROI), None, DEFAULT_TASKS))

    again = list(label_lines(tagged(Act.NEED_ROI, Act.THANKS), tagged(Act.NEED_ROI), DEFAULT_TASKS))

    assert len({line["id"] for line in first}) == 2
    assert again == []


def test_other_labels_and_other_taggers_supersede():
    (before,) = label_lines(tagged(), None, [OBJECTION])

    (other,) = label_lines(tagged(Act.OBJECTION_PRICE), tagged(), [OBJECTION])
    (newer,) = label_lines(tagged(tagger="acts/1"), tagged(), [OBJECTION])

    assert other["data"]["supersedes"] == newer["data"]["supersedes"] == before["id"]
    assert len({before["id"], other["id"], newer["id"]}) == 3


def test_a_task_with_a_label_that_is_no_act_gets_no_labels():
    """A turn without any of the others may hold that one: nothing is known."""
    foreign = Task("objection", TaskKind.MULTI_LABEL, ("price", "weather"), OBJECTION.mode, "turn", "macro_ap")
    whole = Task("needs", TaskKind.MULTI_LABEL, ("roi",), NEEDS.mode, "conversation", "macro_ap")

    assert derivable([foreign, whole, NEEDS]) == [NEEDS]
