"""The gate for real: Great Expectations on a real Postgres. Importing it takes seconds; one process does it once."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ml_pipeline.jobs import check_data_quality, ingest_events
from ml_pipeline.quality.check import Suite
from ml_pipeline.quality.suites import SUITES
from ml_pipeline.quality.suites.expectations import CRITICAL, has_columns, lies_between
from ml_pipeline.quality.validator import Judged, Validator
from tests.integration.events import (
    START,
    Event,
    after,
    append,
    conversation_id,
    event_id,
    label,
    outcome,
    prediction,
    rows,
    sales_floor,
    turn,
)

pytestmark = pytest.mark.timeout(300)  # the import alone may take half a minute on a busy machine

CHECKS = {(suite.table, check.name) for suite in SUITES for check in suite.checks}
SCHEMA = {key for key in CHECKS if key[1] == "schema"}
FAULTY = after(hours=200)
"""An hour of its own for injected faults."""


def just_now() -> Event:
    return turn("now", 0, at=datetime.now(UTC) - timedelta(minutes=5))


def failed_checks(database) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (row["table_name"], row["expectation"]): row
        for row in rows(database, "SELECT * FROM quality_results WHERE NOT has_passed")
    }


def states(database) -> dict[datetime, tuple[str, str | None]]:
    found = rows(database, "SELECT hour, state, reason FROM quality_verdicts")
    return {row["hour"]: (row["state"], row["reason"]) for row in found}


TOMORROW = datetime.now(UTC) + timedelta(days=1)
LATER = FAULTY + timedelta(seconds=1)
NOBODY = conversation_id("nobody")

FINE: dict[str, dict[str, Any]] = {
    "conversations": {"source": "agent", "started_at": FAULTY, "last_event_at": FAULTY},
    "turns": {"turn": 0, "role": "user", "content": "Fine."},
    "predictions": {
        "turn": 0,
        "task": "objection",
        "mode": "detect",
        "version": "v/1",
        "probabilities": '{"price": 0.5}',
        "labels": [],
        "is_served": True,
    },
    "outcomes": {"learnt_at": FAULTY, "outcome": "completed", "is_sold": False, "source": "agent"},
    "labels": {"task": "objection", "labels": ["price"], "source": "human", "source_rank": 1, "learnt_at": FAULTY},
    "assignments": {
        "experiment": "greeting",
        "arm": "warm",
        "unit": "conversation",
        "unit_id": conversation_id("host"),
        "propensity": 0.5,
        "reason": "drawn",
        "policy_epoch": 1,
        "policy_n": 1,
    },
}
"""A good row per table; a fault replaces what it names."""

FAULTS: list[tuple[str, str, dict[str, Any]]] = [
    ("conversations", "source_known", {"source": None}),
    ("conversations", "ends_after_it_starts", {"last_event_at": FAULTY - timedelta(seconds=1)}),
    ("conversations", "time_not_in_the_future", {"started_at": TOMORROW, "last_event_at": TOMORROW}),
    ("turns", "turn_not_negative", {"turn": -1}),
    ("turns", "role_known", {"role": "robot"}),
    ("turns", "content_known", {"content": None}),
    ("turns", "content_not_empty", {"content": ""}),
    ("turns", "turn_told_once", {"turn": 50}),
    ("turns", "turn_told_once", {"turn": 50, "at": LATER}),
    ("turns", "conversation_exists", {"conversation_id": NOBODY}),
    ("turns", "time_not_in_the_future", {"at": TOMORROW}),
    ("turns", "no_email", {"content": "write to ana.lopez@example.com.mx please"}),
    ("turns", "no_phone", {"content": "my number is +52 55 1234 5678"}),
    ("turns", "no_phone", {"content": "or (555) 234-5678, at home"}),
    ("turns", "no_phone", {"content": "555-234-5678"}),
    ("turns", "no_card", {"content": "it is 4111 1111 1111 1111, yes"}),
    ("turns", "no_card", {"content": "5555555555554444"}),
    ("predictions", "turn_not_negative", {"turn": -1}),
    ("predictions", "probability_at_least_0", {"probabilities": '{"price": -0.1}'}),
    ("predictions", "probability_at_most_1", {"probabilities": '{"price": 1.1}'}),
    ("predictions", "latency_not_negative", {"latency_ms": -1.0}),
    ("predictions", "mode_known", {"mode": "guess"}),
    ("predictions", "task_known", {"task": "weather"}),
    ("predictions", "labels_of_ours_known", {"probabilities": '{"colour": 0.5}'}),
    ("predictions", "labels_of_caller_known", {"probabilities": '{"colour": 0.5}', "version": "caller"}),
    ("predictions", "answer_told_once", {"version": "twice/1"}),
    ("predictions", "answer_told_once", {"version": "twice/1", "at": LATER}),
    ("predictions", "conversation_exists", {"conversation_id": NOBODY}),
    ("predictions", "turn_exists", {"turn": 7777}),
    ("predictions", "time_not_in_the_future", {"at": TOMORROW}),
    ("outcomes", "outcome_not_empty", {"outcome": ""}),
    ("outcomes", "conversation_exists", {"conversation_id": NOBODY}),
    ("outcomes", "value_plausible", {"value": 5e12}),
    ("outcomes", "satisfaction_plausible", {"satisfaction": -3.0}),
    ("outcomes", "duration_not_negative", {"duration_seconds": -1.0}),
    ("outcomes", "learnt_after_it_happened", {"learnt_at": FAULTY - timedelta(days=1)}),
    ("outcomes", "one_outcome_at_a_time", {"at": LATER}),
    ("outcomes", "one_outcome_at_a_time", {"at": LATER}),
    ("outcomes", "time_not_in_the_future", {"at": TOMORROW, "learnt_at": TOMORROW}),
    ("labels", "turn_not_negative", {"turn": -1}),
    ("labels", "source_known", {"source": "somebody"}),
    ("labels", "rank_known", {"source_rank": 5}),
    ("labels", "task_known", {"task": "weather"}),
    ("labels", "labels_known", {"labels": ["colour"]}),
    ("labels", "conversation_exists", {"conversation_id": NOBODY}),
    ("labels", "time_not_in_the_future", {"at": TOMORROW}),
    ("assignments", "arm_not_empty", {"arm": ""}),
    ("assignments", "unit_known", {"unit": "household"}),
    ("assignments", "propensity_at_least_a_millionth", {"propensity": 0.0}),
    ("assignments", "propensity_at_most_1", {"propensity": 1.5}),
    ("assignments", "reason_known", {"reason": "whim"}),
    ("assignments", "conversation_exists", {"conversation_id": NOBODY}),
    ("assignments", "time_not_in_the_future", {"at": TOMORROW}),
]
BY_STATEMENT = {("predictions", "few_failures"), ("turns", "volume_usual"), ("turns", "facts_fresh")}
"""Checks that no single row fails."""


def inject(database, number: int, table: str, fault: dict[str, Any]) -> str:
    """Put one bad row in, good but for its fault and told apart by ``number``; return the id the check should name."""
    values = FINE[table] | {"conversation_id": conversation_id("host")}
    if table == "conversations":
        values |= {"conversation_id": conversation_id(f"faulty {number}")}
    else:
        values |= {"event_id": event_id(FAULTY), "at": FAULTY + timedelta(minutes=number)}
    values |= {"turn": 100 + number} if table == "turns" else {}
    values |= {"version": f"v/{number}"} if table == "predictions" else {}
    values |= {"experiment_id": conversation_id(f"experiment {number}")} if table == "assignments" else {}
    values |= fault
    places = ", ".join(f"%({name})s" + ("::uuid" if name.endswith("_id") else "") for name in values)
    rows(database, f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", **values)  # noqa: S608
    return str(values.get("event_id", values["conversation_id"]))


def without_safety(database) -> None:
    """Take away what the schema itself forbids, so that the checks can show that they see it too."""
    for day in (FAULTY, TOMORROW):
        for table in ("turns", "predictions"):
            rows(database, "SELECT ensure_day_partition(%(table)s, %(day)s::date)", table=table, day=day.date())
    for table, column in (("conversations", "source"), ("turns", "content"), (f"turns_{FAULTY:%Y%m%d}", "content")):
        rows(database, f"ALTER TABLE {table} ALTER {column} DROP NOT NULL")


@pytest.fixture
def floor(database):
    append(database, sales_floor(conversations=6))
    append(database, [just_now(), turn("host", 0, at=FAULTY), outcome("host", at=FAULTY)])
    ingest_events.run()
    return database


def test_good_facts_are_trusted_and_leave_the_list(floor):
    counts = check_data_quality.run()

    hours = rows(floor, "SELECT count(*) AS n FROM quality_verdicts")[0]["n"]
    assert counts == {"checks": len(CHECKS), "failed": 0, "hours_trusted": hours, "hours_held": 0}
    assert set(states(floor).values()) == {("trusted", None)}
    results = rows(floor, "SELECT table_name, expectation, window_start, window_end FROM quality_results")
    assert {(row["table_name"], row["expectation"]) for row in results} == CHECKS
    assert all(row["window_start"] == after(0) for row in results)
    waiting = rows(floor, "SELECT DISTINCT consumer FROM changed_hours ORDER BY consumer")
    assert [row["consumer"] for row in waiting] == ["feedback", "rollups"]
    assert check_data_quality.run() == {"checks": 0, "failed": 0, "hours_trusted": 0, "hours_held": 0}


def test_every_expectation_catches_its_fault(floor):
    without_safety(floor)
    injected = [((table, name), inject(floor, at, table, fault)) for at, (table, name, fault) in enumerate(FAULTS)]
    append(floor, [prediction("host", number, is_fallback=True, at=FAULTY) for number in range(30)])
    append(floor, [turn(f"w{week}", n, at=after(n, days=-7 * week)) for week in (1, 2) for n in range(400)])
    ingest_events.run()
    rows(floor, "DELETE FROM quality_verdicts WHERE hour < %(start)s OR hour > now() - interval '1 day'", start=START)
    rows(floor, "INSERT INTO quality_verdicts (hour) VALUES (date_trunc('hour', %(at)s::timestamptz))", at=TOMORROW)
    rows(floor, "UPDATE quality_verdicts SET state = 'pending'")

    counts = check_data_quality.run()

    failed = failed_checks(floor)
    assert {key for key, _ in injected} | BY_STATEMENT == CHECKS - SCHEMA
    assert set(failed) == CHECKS - SCHEMA
    assert counts["failed"] == len(failed)
    for key, event in injected:
        assert event in failed[key]["failing_events"], key
    assert states(floor)[FAULTY][0] == "held"
    recorded = str([row["observed"] for row in failed.values()])
    assert not any(word in recorded for word in ("ana.lopez", "5678", "4111"))


def test_a_table_without_its_columns_holds_every_hour(floor):
    for table, column in (
        ("conversations", "program"),
        ("turns", "role"),
        ("predictions", "feature_digest"),
        ("outcomes", "tier"),
        ("labels", "supersedes"),
        ("assignments", "propensity"),
    ):
        rows(floor, f"ALTER TABLE {table} RENAME {column} TO something_else")

    counts = check_data_quality.run()

    assert set(failed_checks(floor)) == SCHEMA
    assert counts["hours_trusted"] == 0
    assert {state for state, _ in states(floor).values()} == {"held"}


def test_exactly_the_hours_concerned_are_held_and_catch_up_by_themselves(database):
    append(database, [turn("a", 0), prediction("a", 0, at=after(hours=1)), turn("b", 0, at=after(hours=2)), just_now()])
    append(database, [outcome("b", conversion_value=10**12, at=after(hours=5)), turn("c", -1, at=after(hours=3))])
    append(database, [label("a", "objection", ["colour"], number=0, at=after(hours=8))])
    ingest_events.run()

    counts = check_data_quality.run()

    held = {hour: reason for hour, (state, reason) in states(database).items() if state == "held"}
    assert held == {
        after(0): "labels.labels_known",
        after(hours=1): "labels.labels_known",
        after(hours=2): "outcomes.value_plausible",
        after(hours=3): "turns.turn_not_negative",
        after(hours=5): "outcomes.value_plausible",
        after(hours=8): "labels.labels_known",
    }
    assert counts["hours_held"] == len(held)
    assert counts["hours_trusted"] == len(states(database)) - len(held)

    rows(database, "UPDATE labels SET labels = '{price}'")
    append(
        database, [prediction("a", 0, version="v/1", at=after(hours=1)), turn("a", 1), turn("a", 2, at=after(hours=8))]
    )
    ingest_events.run()
    check_data_quality.run()

    still = {hour for hour, (state, _) in states(database).items() if state == "held"}
    assert still == {after(hours=2), after(hours=3), after(hours=5)}


def test_an_hour_that_changes_while_it_is_judged_stays_pending(floor, monkeypatch):
    judge = Validator.judge

    def judge_while_facts_arrive(self, judged):
        if judged.suite.table == "labels":
            append(floor, [turn("late", 0, at=after(0))])
            ingest_events.run()
        yield from judge(self, judged)

    monkeypatch.setattr(Validator, "judge", judge_while_facts_arrive)

    check_data_quality.run()

    assert states(floor)[after(0)] == ("pending", None)
    assert {state for hour, (state, _) in states(floor).items() if hour != after(0)} == {"trusted"}
    waiting = rows(floor, "SELECT DISTINCT hour FROM changed_hours WHERE consumer = 'quality'")
    assert [row["hour"] for row in waiting] == [after(0)]


def test_a_check_that_cannot_run_has_failed_and_says_why(database):
    suite = Suite("labels", (has_columns("task"), lies_between("nonsense", CRITICAL, "no_such_column", 0)))
    row = "SELECT now() AS hour, gen_random_uuid() AS event_id, gen_random_uuid() AS conversation_id"

    with closing(Validator(database.jobs_dsn)) as validator:
        schema, nonsense = validator.judge(Judged(suite, row))

    assert schema.has_passed
    assert not nonsense.has_passed
    assert nonsense.hours is None
    assert "no_such_column" in nonsense.observed["error"]


def test_a_bad_truth_goes_on_holding_what_it_reaches(database):
    append(database, [turn("a", 0), prediction("a", 0), just_now()])
    append(database, [outcome("a", conversion_value=10**12, at=after(hours=5))])
    ingest_events.run()
    check_data_quality.run()
    append(database, [turn("b", 0)])
    ingest_events.run()

    check_data_quality.run()

    assert states(database)[after(0)] == ("held", "outcomes.value_plausible")
