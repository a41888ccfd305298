"""Who is believed: what supersedes what, which of two words holds, and the conflicts between them."""

from typing import Any

import pytest

from tests.integration.events import Event, after, conversation_id, label, outcome, prediction, rows, turn
from tests.integration.ledger import call, day, ended, project, replayed, said


def held(database, name: str = "a", task: str = "conversion", moment: str = "infinity") -> dict[str, Any] | None:
    statement = "SELECT * FROM labels_as_of(%(moment)s) WHERE conversation_id = %(id)s AND task = %(task)s"
    found = rows(database, statement, moment=moment, id=conversation_id(name), task=task)
    return found[0] if found else None


def price(labels: list[str], *, on: float, number: int = 1, source: str = "human", **told: Any) -> Event:
    return said(labels, on=on, task="objection", number=number, source=source, **told)


@pytest.mark.parametrize(
    ("first", "second", "source"),
    [
        (said(["sold"], on=1, source="crm"), said([], on=2, source="agent"), "crm"),
        (said(["sold"], on=1, source="crm"), said([], on=2, source="human"), "human"),
        (said(["sold"], on=2, source="derived"), ended("completed", on=1), "agent"),
    ],
)
def test_the_better_source_holds_whenever_it_speaks(database, first, second, source):
    project(database, call(), first, second)

    assert (held(database) or {})["source"] == source


def test_within_a_source_the_latest_learnt_holds_and_at_one_instant_the_latest_event(database):
    first, second = said(["sold"], on=1), said([], on=1)

    project(database, call(), first, second)

    assert (held(database) or {})["event_id"] == max(first["id"], second["id"])


def test_a_chain_of_corrections_leaves_the_last_one(database):
    first = said(["sold"], on=1, source="human", value=90)
    second = said([], on=2, source="human", supersedes=first["id"])
    third = said(["sold"], on=3, source="human", value=80, supersedes=second["id"])

    project(database, call(), third, first, second)

    assert [(held(database, moment=str(day(each))) or {})["value"] for each in (1, 2, 3)] == [90, None, 80]


def test_what_was_corrected_does_not_come_back_when_the_correction_is_corrected(database):
    outranked = said([], on=0, source="agent")
    first = said(["sold"], on=3, source="human")
    second = said([], on=1, source="human", supersedes=first["id"])
    third = said([], on=2, source="human", supersedes=second["id"])

    project(database, call(), outranked, first, second, third)

    assert (held(database) or {})["event_id"] == third["id"]


def test_a_correction_that_comes_before_what_it_corrects_holds_from_the_start(database):
    late = said(["sold"], on=5)
    project(database, call(), said([], on=1, supersedes=late["id"]))
    assert (held(database) or {})["labels"] == []

    project(database, late)

    assert (held(database) or {})["labels"] == []
    assert rows(database, "SELECT superseded_at FROM labels WHERE event_id = %(id)s", id=late["id"]) == [
        {"superseded_at": day(1)}
    ]


@pytest.mark.parametrize(
    "correction",
    [
        said([], on=2, source="agent", supersedes="THE SALE"),
        said([], on=2, source="crm", supersedes="00000000-0000-7000-8000-000000000000"),
        said([], on=2, source="crm", supersedes="not an id"),
        said([], on=2, source="crm", name="b", supersedes="THE SALE"),
        said([], on=2, source="crm", task="objection", supersedes="THE SALE"),
        said([], on=2, source="crm", number=3, supersedes="THE SALE"),
    ],
    ids=["a lower source", "an event that never comes", "no event", "another conversation", "another task", "a turn"],
)
def test_what_may_not_supersede_a_sale_leaves_it_in_force(database, correction):
    sale = said(["sold"], on=1, source="crm")
    if correction["data"]["supersedes"] == "THE SALE":
        correction["data"]["supersedes"] = sale["id"]

    project(database, call(), sale, correction)

    found = rows(database, "SELECT superseded_at FROM labels WHERE event_id = %(id)s", id=sale["id"])
    assert found == [{"superseded_at": None}]


def test_what_is_corrected_twice_is_out_of_force_from_the_first_time(database):
    first = said(["sold"], on=1)
    project(database, call(), first, said([], on=4, supersedes=first["id"]), said([], on=2, supersedes=first["id"]))

    found = rows(database, "SELECT superseded_at FROM labels WHERE event_id = %(id)s", id=first["id"])

    assert found == [{"superseded_at": day(2)}]


def test_truths_that_name_one_another_in_a_ring_cancel_each_other(database):
    first, second = said(["sold"], on=1), said(["sold"], on=2)
    first["data"]["supersedes"], second["data"]["supersedes"] = second["id"], first["id"]

    project(database, call(), ended(), first, second)

    assert (held(database, moment=str(day(1))) or {})["event_id"] == first["id"]
    assert (held(database) or {})["source"] == "agent"


def test_a_label_on_the_wrong_turn_moves_to_the_right_one(database):
    wrong = price(["price"], on=1, number=3)
    project(database, call(), wrong, price(["price"], on=2, number=1, supersedes=wrong["id"]))

    found = rows(database, "SELECT turn, labels FROM current_labels WHERE task = 'objection'")

    assert found == [{"turn": 1, "labels": ["price"]}]


def test_an_outcome_is_superseded_by_an_outcome_and_by_the_crm(database):
    first, second = ended("converted", conversion_value=90, name="a"), ended("converted", conversion_value=90, name="b")
    project(
        database,
        first,
        ended("lost", on=2, name="a", supersedes=first["id"]),
        second,
        said([], on=2, name="b", supersedes=second["id"]),
    )

    found = rows(database, "SELECT conversation_id, outcome FROM current_outcomes")

    assert found == [{"conversation_id": conversation_id("a"), "outcome": "lost"}]
    assert {(held(database, name) or {})["source"] for name in ("a", "b")} == {"agent", "crm"}


def test_sources_that_say_different_things_are_a_conflict_with_both_events(database):
    doubted, believed = price(["need"], on=1, source="agent"), price(["price"], on=2)
    alike = price(["price"], on=1, source="crm")
    replaced = price([], on=0, source="agent")
    project(database, call(), replaced, doubted, believed, alike, said(["sold"], on=3), ended("completed"))

    found = rows(database, "SELECT * FROM label_conflicts")

    assert found == [
        {
            "conversation_id": conversation_id("a"),
            "turn": 1,
            "task": "objection",
            "held_source": "human",
            "held_labels": ["price"],
            "held_event": believed["id"],
            "source": "agent",
            "labels": ["need"],
            "event_id": doubted["id"],
            "learnt_at": day(2),
        }
    ]


@pytest.mark.parametrize(("word", "conflicts"), [("lost", 1), ("completed", 0), ("converted", 0)])
def test_only_an_outcome_that_says_no_contradicts_a_sale(database, word, conflicts):
    project(database, call(), ended(word), said(["sold"], on=3))

    assert len(rows(database, "SELECT * FROM label_conflicts")) == conflicts


def test_a_corrected_word_is_no_conflict(database):
    wrong = ended("lost")
    project(database, call(), wrong, said(["sold"], on=3, supersedes=wrong["id"]))

    assert rows(database, "SELECT * FROM label_conflicts") == []


def test_two_outcomes_at_one_instant_are_both_kept_and_the_latest_event_holds(database):
    first, second = ended("converted", conversion_value=90), ended("converted", conversion_value=250)
    project(database, call(), first, second)

    found = rows(database, "SELECT event_id FROM current_outcomes")

    assert found == [{"event_id": max(first["id"], second["id"])}]
    assert len(rows(database, "SELECT * FROM outcomes")) == 2


def test_a_currency_never_told_before_is_counted_once_and_kept_in_capitals(database):
    first = project(database, call(), ended("converted", conversion_value=90, currency=" mxn "))
    second = project(database, said(["sold"], on=1, value=80, currency="MXN"), said(["sold"], on=2, currency="CHF"))

    assert {name: count for name, count in first.items() if "currency" in name} == {"currency_new.MXN": 1}
    assert {name: count for name, count in second.items() if "currency" in name} == {"currency_new.CHF": 1}
    assert rows(database, "SELECT currency FROM outcomes") == [{"currency": "MXN"}]


@pytest.mark.parametrize(("told", "kept"), [("US$", ""), ("dollars", ""), (7, ""), ("  ", None), (None, None)])
def test_what_is_no_currency_is_told_from_what_was_not_told(database, told, kept):
    counts = project(database, call(), ended("converted", conversion_value=90, currency=told))

    assert rows(database, "SELECT currency, value FROM outcomes") == [{"currency": kept, "value": 90}]
    assert not [name for name in counts if "currency" in name]


def test_a_worth_beyond_all_money_is_not_taken(database):
    counts = project(database, ended("converted", conversion_value=1e15), said(["sold"], on=1, value=-1e300))

    assert counts["unprojectable.conversion_value: unusable number"] == 1
    assert rows(database, "SELECT value FROM labels") == [{"value": None}]
    assert rows(database, "SELECT * FROM outcomes") == []


def test_truths_and_labelled_predictions_are_read_as_they_were_known(database):
    first = replayed(label("a", "objection", ["price"], number=1, at=day(1)))
    corrected = replayed(label("a", "objection", [], number=1, at=day(2), supersedes=first["id"]))
    answer = replayed(prediction("a", 1, mode="detect"))
    project(database, call(), replayed(turn("a", 1)), answer, first, corrected)
    tasks = '[{"name": "objection", "scope": "turn", "horizon": 3, "labels": ["price"]}]'

    def is_true(moment: str) -> list[bool]:
        statement = "SELECT is_true FROM labelled_predictions(%(low)s, %(high)s, %(tasks)s, as_of => %(moment)s)"
        found = rows(database, statement, low=after(0), high=day(1), tasks=tasks, moment=moment)
        return [row["is_true"] for row in found]

    assert [is_true(str(day(each))) for each in (0, 1, 2)] == [[], [True], [False]]
    assert is_true("infinity") == [False]


def test_a_conversation_that_had_not_ended_then_has_no_joint_truth_of_all_that_follows(database):
    spoken = [replayed(turn("a", number)) for number in (1, 2)]
    labels = [replayed(label("a", "objection", ["price"], number=2, at=day(1)))]
    project(database, call(), *spoken, *labels, replayed(outcome("a", at=day(2))))
    tasks = '[{"name": "objection", "scope": "turn", "horizon": 0, "labels": ["price"]}]'
    statement = """
        SELECT turn FROM conversation_truths(%(ids)s::uuid[], %(low)s, %(high)s, %(tasks)s, %(moment)s)
        WHERE mode = 'anticipate' AND turn = 1
    """

    def turns(moment: str) -> int:
        ids = [conversation_id("a")]
        return len(rows(database, statement, ids=ids, low=after(0), high=day(1), tasks=tasks, moment=moment))

    assert [turns(str(day(each))) for each in (1, 2)] == [0, 1]
