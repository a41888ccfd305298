"""What is taken for true of a turn, and what stays unknown."""

from typing import Any

import pytest

from ml_pipeline.jobs import ingest_events
from ml_pipeline.metrics.truth import task_definitions
from ml_pipeline.vocabulary.tasks import CONVERSION, NEEDS, OBJECTION, Mode, Task, TaskKind
from tests.integration.events import after, append, conversation_id, label, outcome, prediction, rows, turn

NEXT_TWO = Task(
    "objection", TaskKind.MULTI_LABEL, ("price", "trust"), Mode.ANTICIPATE, scope="turn", primary_metric="macro_ap",
    horizon=2,
)  # fmt: skip
TILL_THE_END = Task(
    "objection", TaskKind.MULTI_LABEL, ("price", "trust"), Mode.ANTICIPATE, scope="turn", primary_metric="macro_ap"
)


def said(name: str, turns: int = 10) -> list[dict[str, Any]]:
    """Return a conversation in which the customer has the odd turns."""
    roles = ("assistant", "user")
    return [turn(name, number, f"Turn {number}.", role=roles[number % 2]) for number in range(turns)]


def truths(database, name: str, task: Task) -> dict[tuple[str, int | None], list[str]]:
    ingest_events.run()
    found = rows(
        database,
        "SELECT mode, turn, labels FROM conversation_truths(ARRAY[%(id)s]::uuid[], %(low)s, %(high)s, %(tasks)s)",
        id=conversation_id(name), low=after(days=-1), high=after(days=1), tasks=task_definitions([task]),
    )  # fmt: skip
    return {(row["mode"], row["turn"]): sorted(row["labels"]) for row in found}


def scored(database, task: Task) -> list[dict[str, Any]]:
    ingest_events.run()
    return rows(
        database,
        "SELECT turn, mode, version, label, probability, is_predicted, is_true, label_source"
        " FROM labelled_predictions(%(low)s, %(high)s, %(tasks)s) ORDER BY turn, mode, version, label",
        low=after(0), high=after(hours=1), tasks=task_definitions([task]),
    )  # fmt: skip


def test_an_anticipated_label_is_true_when_it_occurs_within_the_next_customer_turns(database):
    append(database, [*said("a"), outcome("a")])
    held = {7: ["price"], 9: ["trust"]}
    append(database, [label("a", "objection", held.get(number, []), number=number) for number in (1, 3, 5, 7, 9)])

    found = truths(database, "a", NEXT_TWO)

    anticipated = {number: labels for (mode, number), labels in found.items() if mode == "anticipate"}
    assert [anticipated[number] for number in (1, 3, 5, 7)] == [[], ["price"], ["price", "trust"], ["trust"]]
    assert 9 not in anticipated, "no customer turn follows"


def test_a_detected_label_is_that_of_the_very_turn(database):
    append(database, [*said("a"), label("a", "objection", ["price"], number=3), label("a", "objection", [], number=5)])

    found = truths(database, "a", NEXT_TWO)

    assert {number: labels for (mode, number), labels in found.items() if mode == "detect"} == {3: ["price"], 5: []}


def test_a_turn_nobody_labelled_makes_the_windows_over_it_unknown(database):
    append(database, [*said("a"), outcome("a")])
    append(database, [label("a", "objection", ["price"], number=number) for number in (1, 3, 7, 9)])

    found = truths(database, "a", NEXT_TWO)

    assert {number for mode, number in found if mode == "anticipate" and number and number % 2} == {5, 7}


@pytest.mark.parametrize(("has_ended", "known"), [(True, {1, 3, 5, 7}), (False, {1, 3, 5})])
def test_a_horizon_beyond_the_last_turn_is_known_once_the_conversation_has_ended(database, has_ended, known):
    append(database, said("a"))
    append(database, [label("a", "objection", [], number=number) for number in (1, 3, 5, 7, 9)])
    append(database, [outcome("a")] if has_ended else [])

    found = truths(database, "a", NEXT_TWO)

    assert {number for mode, number in found if mode == "anticipate" and number and number % 2} == known


@pytest.mark.parametrize("has_ended", [True, False])
def test_without_a_horizon_all_that_follows_counts_and_the_end_must_be_known(database, has_ended):
    append(database, said("a"))
    append(database, [label("a", "objection", ["price"] if n == 9 else [], number=n) for n in (1, 3, 5, 7, 9)])
    append(database, [outcome("a")] if has_ended else [])

    found = truths(database, "a", TILL_THE_END)

    anticipated = {number: labels for (mode, number), labels in found.items() if mode == "anticipate" and number}
    assert anticipated == ({number: ["price"] for number in range(1, 9)} if has_ended else {})


def test_the_label_of_a_conversation_holds_for_all_its_predictions(database):
    append(database, [prediction("a", 1, "conversion", probabilities={"sold": 0.7}), outcome("a", "converted")])
    append(database, [prediction("b", 1, "conversion", probabilities={}), outcome("b"), turn("b", 1)])
    append(database, [prediction("no outcome", 1, "conversion", probabilities={"sold": 0.5})])

    found = scored(database, CONVERSION)

    assert sorted((row["probability"], row["is_predicted"], row["is_true"]) for row in found) == [
        (0.0, False, False),
        (0.7, True, True),
    ]
    assert {row["label_source"] for row in found} == {"agent"}


def test_the_best_source_wins_and_within_it_the_latest(database):
    append(database, [turn("a", 1), prediction("a", 1, "needs", mode="detect", probabilities={"roi": 0.9})])
    append(
        database,
        [
            label("a", "needs", ["roi"], number=1, source="derived", at=after(50)),
            label("a", "needs", ["support"], number=1, source="human", at=after(20)),
            label("a", "needs", ["roi", "support"], number=1, source="human", at=after(30)),
            label("a", "needs", [], number=1, source="crm", at=after(40)),
        ],
    )

    found = scored(database, NEEDS)

    assert {row["label"] for row in found if row["is_true"]} == {"roi", "support"}
    assert {row["label_source"] for row in found} == {"human"}


def test_each_label_of_the_task_is_a_row_and_what_the_answer_leaves_out_has_probability_0(database):
    append(database, [turn("a", 1), prediction("a", 1, mode="detect", probabilities={"price": 0.9, "odd": 0.8})])
    append(database, [label("a", "objection", ["trust"], number=1)])

    found = scored(database, OBJECTION)

    assert {row["label"]: (row["probability"], row["is_true"]) for row in found} == {
        "price": (0.9, False), "need": (0.0, False), "urgency": (0.0, False), "trust": (0.0, True),
        "features": (0.0, False), "competition": (0.0, False),
    }  # fmt: skip


def test_only_the_days_concerned_are_read(database):
    append(database, [each for day in range(20) for each in (
        turn(f"d{day}", 1, at=after(days=day - 19)), prediction(f"d{day}", 1, at=after(days=day - 19)))])  # fmt: skip
    ingest_events.run()

    plan = rows(
        database,
        "EXPLAIN (FORMAT TEXT) SELECT * FROM labelled_predictions(%(low)s, %(high)s, %(tasks)s)",
        low=after(0), high=after(hours=1), tasks=task_definitions([OBJECTION]),
    )  # fmt: skip

    touched = [line for row in plan for line in row.values() if " on predictions_" in line]
    assert len(touched) == 1
