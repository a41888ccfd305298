"""What the feedback job makes of predictions and their truth."""

import math
import threading

import pytest

from ml_pipeline.jobs import analyze_feedback, ingest_events
from tests.integration.events import after, append, label, outcome, prediction, rows, turn

ERRORS = (
    "SELECT conversation_id, turn, task, version, kind, label, probability, loss, label_source FROM prediction_errors"
)


def trust(database, state: str = "trusted") -> None:
    rows(database, "UPDATE quality_verdicts SET state = %(state)s", state=state)


def errors(database) -> list[tuple[object, ...]]:
    found = rows(database, f"{ERRORS} ORDER BY turn, task, version, kind, label")
    return [(row["turn"], row["version"], row["kind"], row["label"], row["label_source"]) for row in found]


def analyzed(database, events) -> dict[str, int]:
    append(database, events)
    ingest_events.run()
    trust(database)
    return analyze_feedback.run()


def detect(name: str, number: int, task: str, probabilities, **data):
    return prediction(name, number, task, probabilities=probabilities, mode="detect", **data)


def test_each_kind_of_error_is_told_apart(database):
    counts = analyzed(
        database,
        [
            turn("a", 1),
            detect("a", 1, "objection", {"price": 0.9, "trust": 0.2}),
            detect("a", 1, "needs", {"roi": 0.8, "support": 0.1}),
            prediction("a", 1, "conversion", probabilities={"sold": 0.8}),
            label("a", "objection", ["trust"], number=1),
            label("a", "needs", ["support"], number=1, source="crm"),
            outcome("a", "completed"),
        ],
    )

    assert errors(database) == [
        (1, "caller", "conversion_error", "sold", "agent"),
        (1, "caller", "need_misidentification", "roi", "crm"),
        (1, "caller", "need_misidentification", "support", "crm"),
        (1, "caller", "false_alarm", "price", "human"),
        (1, "caller", "objection_miss", "trust", "human"),
    ]
    assert counts["objection_miss"] == counts["false_alarm"] == counts["conversion_error"] == 1
    assert counts["need_misidentification"] == 2
    assert counts["answers of objection.detect by caller"] == 6
    assert counts["answers of conversion.anticipate by caller"] == 1


def test_an_error_carries_its_probability_and_its_log_loss(database):
    analyzed(
        database,
        [turn("a", 1), prediction("a", 1, "conversion", probabilities={"sold": 0.8}), outcome("a", "completed")],
    )

    (error,) = rows(database, ERRORS)
    assert error["probability"] == 0.8
    assert error["loss"] == pytest.approx(-math.log(0.2))


def test_a_right_answer_is_no_error_but_counts(database):
    counts = analyzed(
        database,
        [turn("a", 1), prediction("a", 1, "conversion", probabilities={"sold": 0.8}), outcome("a", "converted")],
    )

    assert errors(database) == []
    assert (counts["predictions"], counts["labelled"], counts["answers"], counts["errors"]) == (1, 1, 1, 0)


def test_predictions_without_truth_are_counted_not_dropped(database):
    counts = analyzed(
        database,
        [
            turn("a", 1),
            detect("a", 1, "objection", {"price": 0.9}),
            detect("a", 1, "a task nobody defined", {"x": 0.9}),
            turn("b", 1),
            detect("b", 1, "objection", {"price": 0.9}),
            label("b", "objection", ["price"], number=1),
        ],
    )

    assert (counts["predictions"], counts["labelled"], counts["unlabelled"]) == (3, 1, 2)
    assert counts["unlabelled of objection.detect by caller"] == 1
    assert counts["unlabelled of a task nobody defined.detect by caller"] == 1


def test_every_version_is_judged_apart(database):
    counts = analyzed(
        database,
        [
            turn("a", 1),
            prediction("a", 1, "conversion", probabilities={"sold": 0.8}),
            prediction("a", 1, "conversion", probabilities={"sold": 0.3}, version="conversion.anticipate/1"),
            outcome("a", "completed"),
        ],
    )

    assert counts["errors of conversion.anticipate by caller"] == 1
    assert counts["errors of conversion.anticipate by conversion.anticipate/1"] == 0


def test_a_second_run_finds_nothing_to_do_and_changes_nothing(database):
    analyzed(
        database, [turn("a", 1), detect("a", 1, "objection", {"price": 0.9}), label("a", "objection", [], number=1)]
    )
    before = errors(database)

    counts = analyze_feedback.run()

    assert counts["hours"] == counts["predictions"] == 0
    assert errors(database) == before != []


def test_a_later_label_replaces_the_errors_of_the_prediction_s_hour(database):
    analyzed(
        database, [turn("a", 1), detect("a", 1, "objection", {"price": 0.9}), label("a", "objection", [], number=1)]
    )

    analyzed(database, [label("a", "objection", ["price", "trust"], number=1, at=after(days=3))])

    assert errors(database) == [(1, "caller", "objection_miss", "trust", "human")]


@pytest.mark.parametrize("state", ["pending", "held"])
def test_hours_that_are_not_trusted_wait(database, state):
    append(database, [turn("a", 1), prediction("a", 1, "conversion", probabilities={"sold": 0.8}), outcome("a")])
    ingest_events.run()
    trust(database, state)

    waiting = analyze_feedback.run()
    trust(database, "released")
    counts = analyze_feedback.run()

    assert (waiting["hours"], waiting["untrusted_hours"], waiting["predictions"]) == (0, 1, 0)
    assert (counts["hours"], counts["untrusted_hours"], counts["conversion_error"]) == (1, 0, 1)


def test_unchanged_hours_keep_their_errors(database):
    wrong = {"sold": 0.8}
    analyzed(
        database,
        [turn("a", 1), prediction("a", 1, "conversion", probabilities=wrong), outcome("a", at=after(60))],
    )

    counts = analyzed(
        database,
        [
            turn("b", 1, at=after(hours=3)),
            prediction("b", 1, "conversion", probabilities=wrong, at=after(hours=3)),
            outcome("b", at=after(60, hours=3)),
        ],
    )

    assert counts["predictions"] == 1
    assert len(errors(database)) == 2


def test_hundreds_of_hours_go_in_one_run(database):
    events = []
    for n in range(300):
        at = after(hours=n / 2 * 1.5)
        events += [
            turn(f"c{n}", 1, at=at),
            prediction(f"c{n}", 1, "conversion", probabilities={"sold": 0.8}, at=at),
            outcome(f"c{n}", at=after(60, hours=n / 2 * 1.5)),
        ]

    counts = analyzed(database, events)

    assert counts["hours"] > 200
    assert counts["predictions"] == counts["labelled"] == counts["conversion_error"] == 300
    assert len(errors(database)) == 300


def test_two_runs_at_once_write_what_one_writes(database):
    append(database, [turn("a", 1), prediction("a", 1, "conversion", probabilities={"sold": 0.8}), outcome("a")])
    ingest_events.run()
    trust(database)
    results: list[dict[str, int]] = []
    runs = [threading.Thread(target=lambda: results.append(analyze_feedback.run())) for _ in range(2)]

    for run in runs:
        run.start()
    for run in runs:
        run.join()

    assert sorted(result["hours"] for result in results) == [0, 1]
    assert len(errors(database)) == 1


def test_an_empty_database_gives_zeros(database):
    counts = analyze_feedback.run()

    assert set(counts.values()) == {0}
