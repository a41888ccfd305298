import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.simulation.call import TurnTruth
from ml_pipeline.simulation.floor import SimulatedFloor, simulated_floor, simulated_source
from ml_pipeline.simulation.speech import phrases
from ml_pipeline.vocabulary.tasks import DEFAULT_TASKS, NEEDS, OBJECTION, SOLD

CONTEXT_KEYS = {"program_type", "platform", "customer_data", "language"}
METRIC_KEYS = {"duration_seconds", "message_count", "satisfaction", "conversion_value", "currency", "tier_selected"}
CUSTOMER_KEYS = {"customer_id", "age", "email"}
PHASES = {"greeting", "exploration", "presentation", "objection_handling", "negotiation", "closing", "completed"}


@pytest.fixture(scope="module")
def floor() -> SimulatedFloor:
    return simulated_floor(seed=7, conversations=1_000)


def customer_turns(floor: SimulatedFloor) -> list[list[TurnTruth]]:
    """The truth per conversation, turn after turn."""
    return [
        [floor.truth[talk.conversation_id, i] for i, said in enumerate(talk.messages) if said.role == "user"]
        for talk in floor.source.dialogues
    ]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), conversations=st.integers(1, 12), days=st.integers(1, 40))
def test_the_same_seed_gives_the_same_floor(seed: int, conversations: int, days: int):
    first = simulated_floor(seed, conversations, days)
    second = simulated_floor(seed, conversations, days)

    assert first == second
    assert len(first.source.dialogues) == conversations


def test_another_seed_gives_other_conversations():
    one, other = simulated_source(1, 5), simulated_source(2, 5)

    assert {talk.messages[0].content for talk in one.dialogues} != {
        talk.messages[0].content for talk in other.dialogues
    }
    assert not {t.conversation_id for t in one.dialogues} & {t.conversation_id for t in other.dialogues}


def test_a_larger_floor_contains_the_smaller_one():
    small, large = simulated_source(4, 6), simulated_source(4, 9)

    assert {talk.conversation_id for talk in small.dialogues} < {talk.conversation_id for talk in large.dialogues}
    assert all(talk in large.dialogues for talk in small.dialogues)


def test_every_customer_turn_has_a_truth_and_no_other_turn_has(floor: SimulatedFloor):
    asked = {
        (talk.conversation_id, index)
        for talk in floor.source.dialogues
        for index, message in enumerate(talk.messages)
        if message.role == "user"
    }

    assert asked == set(floor.truth)
    assert set(floor.sold) == {talk.conversation_id for talk in floor.source.dialogues}


def test_the_floor_is_labelled_simulated_and_covers_its_days_oldest_first(floor: SimulatedFloor):
    starts = [talk.started_at for talk in floor.source.dialogues]

    assert floor.source.is_simulated
    assert floor.source.name == "simulated"
    assert floor.source.tasks == DEFAULT_TASKS
    assert starts == sorted(starts)
    assert 26 <= (starts[-1] - starts[0]).days <= 28


@pytest.mark.parametrize("turn", [0, 3, 6])
def test_the_true_chance_of_a_sale_is_what_happens(floor: SimulatedFloor, turn: int):
    known = [
        (truths[turn].sale, floor.sold[talk.conversation_id])
        for talk, truths in zip(floor.source.dialogues, customer_turns(floor), strict=True)
        if len(truths) > turn
    ]

    for low, high in ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0)):
        chances = [(chance, was_sold) for chance, was_sold in known if low <= chance < high]
        expected = sum(chance for chance, _ in chances)
        spread = math.sqrt(sum(chance * (1 - chance) for chance, _ in chances))
        # 3.5 spreads: 12 such checks with a fixed seed; a real miscalibration of .1 lies 5 spreads off.
        assert abs(sum(was_sold for _, was_sold in chances) - expected) <= 3.5 * spread


@pytest.mark.parametrize("label", OBJECTION.labels)
def test_the_true_chance_of_an_objection_ahead_is_what_happens(floor: SimulatedFloor, label: str):
    # Every third turn, so that the windows of one call do not overlap.
    checks = [
        (truths[at].objections_ahead[label], any(label in later.objections for later in truths[at + 1 : at + 4]))
        for truths in customer_turns(floor)
        for at in range(0, len(truths), 3)
    ]
    expected = sum(chance for chance, _ in checks)
    spread = math.sqrt(sum(chance * (1 - chance) for chance, _ in checks))

    assert abs(sum(came for _, came in checks) - expected) <= 3.5 * spread
    assert 0.03 < expected / len(checks) < 0.3


def test_the_true_chances_tell_sales_apart_far_better_than_chance(floor: SimulatedFloor):
    last = [truths[-1].sale for truths in customer_turns(floor)]
    sold = [floor.sold[talk.conversation_id] for talk in floor.source.dialogues]

    with_sale = statistics.mean(chance for chance, was_sold in zip(last, sold, strict=True) if was_sold)
    without = statistics.mean(chance for chance, was_sold in zip(last, sold, strict=True) if not was_sold)

    assert with_sale - without > 0.4


def test_the_agent_sees_nothing_latent(floor: SimulatedFloor):
    for talk in floor.source.dialogues:
        assert set(talk.context) <= CONTEXT_KEYS
        assert set(talk.context["customer_data"]) <= CUSTOMER_KEYS
        assert set(talk.metrics) <= METRIC_KEYS
        assert set(talk.phases) <= PHASES
        assert len(talk.phases) == len(talk.messages)
        assert not talk.predictions


def test_the_phase_tells_of_past_objections_only(floor: SimulatedFloor):
    for talk, truths in zip(floor.source.dialogues, customer_turns(floor), strict=True):
        shown = [talk.phases[i] for i, message in enumerate(talk.messages) if message.role == "user"]
        assert shown[0] != "objection_handling"
        for before, phase in zip(truths, shown[1:], strict=False):
            assert (phase == "objection_handling") == bool(before.objections)


def test_people_label_what_was_meant_and_agents_mostly_do(floor: SimulatedFloor):
    by_source: dict[str, list[bool]] = {"human": [], "agent": []}
    for talk in floor.source.dialogues:
        for late in talk.late_labels:
            if late.turn is not None:
                truth = floor.truth[talk.conversation_id, late.turn]
                meant = truth.objections if late.task == OBJECTION.name else truth.needs
                by_source[late.source].append(set(late.labels) == set(meant))

    assert len(by_source["human"]) > 3_000
    assert all(by_source["human"])
    assert 0.85 < statistics.mean(by_source["agent"]) < 0.98


def test_labels_come_after_the_call_and_the_crm_days_later(floor: SimulatedFloor):
    for talk in floor.source.dialogues:
        for late in talk.late_labels:
            hours = (late.at - talk.ended_at).total_seconds() / 3_600
            assert (hours >= 20) == (late.source == "crm") or (late.source == "human" and hours > 0)


def test_some_sales_are_known_to_the_crm_alone_and_it_is_always_right(floor: SimulatedFloor):
    only_crm = 0
    for talk in floor.source.dialogues:
        confirmed = [late for late in talk.late_labels if late.task == "conversion"]
        says_sold = talk.metrics.get("conversion_value", 0) > 0
        assert all((late.labels == (SOLD,)) == floor.sold[talk.conversation_id] for late in confirmed)
        if floor.sold[talk.conversation_id] != says_sold:
            assert confirmed, "the agent is wrong and nobody ever says so"
            only_crm += not says_sold

    assert 0.15 < only_crm / sum(floor.sold.values()) < 0.45


def test_labels_stay_within_their_tasks(floor: SimulatedFloor):
    allowed = {task.name: set(task.labels) for task in DEFAULT_TASKS}

    for talk in floor.source.dialogues:
        assert all(set(late.labels) <= allowed[late.task] for late in talk.late_labels)
    assert {label for truth in floor.truth.values() for label in truth.needs} == set(NEEDS.labels)
    assert {label for truth in floor.truth.values() for label in truth.objections} == set(OBJECTION.labels)


def test_customers_leave_contacts_for_the_redaction_to_find(floor: SimulatedFloor):
    said = [message.content for talk in floor.source.dialogues for message in talk.messages if message.role == "user"]

    assert sum("@example." in words for words in said) > 50
    assert sum("+34 6" in words for words in said) > 10
    assert sum("+1 415 555" in words for words in said) > 10
    assert sum("4111 1111 1111 1111" in words for words in said) > 10


def test_customers_are_heard_as_speech_recognition_hears_them(floor: SimulatedFloor):
    spoken = [
        message.content
        for talk in floor.source.dialogues
        for message in talk.messages
        if message.role == "user" and not any(mark in message.content for mark in "@+")
    ]

    assert all(words == words.lower() for words in spoken)
    assert not any("?" in words or "," in words for words in spoken)


def test_both_languages_say_the_same_things():
    english, spanish = phrases("en"), phrases("es")

    def outline(part: object) -> object:
        return {key: outline(value) for key, value in part.items()} if isinstance(part, dict) else type(part)

    assert outline({k: v for k, v in english.items() if k != "misheard"}) == outline(
        {k: v for k, v in spanish.items() if k != "misheard"}
    )


def test_a_bag_of_words_finds_objections_but_far_from_all(floor: SimulatedFloor):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    words, objected = [], []
    for talk in floor.source.dialogues:
        for index, message in enumerate(talk.messages):
            if message.role == "user":
                words.append(message.content)
                objected.append("price" in floor.truth[talk.conversation_id, index].objections)
    cut = len(words) * 7 // 10
    bag = TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True).fit(words[:cut])

    model = LogisticRegression(C=3, max_iter=300).fit(bag.transform(words[:cut]), objected[:cut])
    auc = roc_auc_score(objected[cut:], model.predict_proba(bag.transform(words[cut:]))[:, 1])

    assert 0.75 < auc < 0.95


def test_the_truth_is_written_one_turn_a_line(floor: SimulatedFloor, tmp_path):
    import json

    path = tmp_path / "deep" / "truth.jsonl"

    floor.write_truth(path)

    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == len(floor.truth)
    assert set(lines[0]) == {
        "conversation_id",
        "turn",
        "is_sold",
        "sale",
        "objections",
        "objections_ahead",
        "needs",
    }
