"""Mutations of the gate: every check meets its fault, each in an hour and a conversation of its own.

What is proved of each: this check alone names the bad row, and a critical one holds its hour alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import psycopg2
import pytest

from ml_pipeline.jobs import check_data_quality
from ml_pipeline.quality.suites import SUITES
from ml_pipeline.vocabulary.verdicts import Severity
from tests.integration.events import after, append, conversation_id, error, event_id, prediction, rows

pytestmark = pytest.mark.timeout(300)  # importing Great Expectations may take half a minute on a busy machine

Row = dict[str, Any]
Key = tuple[str, str]

CHECKS = {(suite.table, check.name): check for suite in SUITES for check in suite.checks}
FIRST = after(days=-30)
SOON = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=3)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
NOBODY = conversation_id("nobody")


@dataclass(frozen=True)
class Fault:
    """Rows that one check is to find; each replaces columns of a good row. ``also``: what must fail with it.

    ``is_ahead``: the rows lie in the future, their conversation does not.
    """

    table: str
    check: str
    bad_rows: tuple[Row, ...]
    also: str = ""
    is_ahead: bool = False

    @property
    def key(self) -> Key:
        return self.table, self.check

    @property
    def named_by(self) -> set[Key]:
        return {self.key, (self.table, self.also)} if self.also else {self.key}


def fault(table: str, check: str, *bad_rows: Row, also: str = "", is_ahead: bool = False) -> Fault:
    return Fault(table, check, bad_rows or ({},), also, is_ahead)


FAULTS = (
    fault("conversations", "source_known", {"source": None}),
    fault("conversations", "ends_after_it_starts", {"last_event_at": FIRST - SECOND}),
    fault("conversations", "language_known", {"language": "klingon"}),
    fault("conversations", "platform_known", {"platform": "fax"}),
    fault("conversations", "time_not_in_the_future", is_ahead=True),
    fault("turns", "turn_not_negative", {"turn": -1}),
    fault("turns", "role_known", {"role": "robot"}),
    fault("turns", "content_known", {"content": None}),
    fault("turns", "content_not_empty", {"content": ""}),
    fault("turns", "turn_told_once", {}, {"later": SECOND}),
    fault("turns", "conversation_exists", {"conversation_id": NOBODY}),
    fault("turns", "time_not_in_the_future", is_ahead=True),
    fault("turns", "no_email", {"content": "write to ana.lopez@example.com.mx please"}),
    fault("turns", "no_phone", {"content": "my number is +52 55 1234 5678"}),
    fault("turns", "no_phone", {"content": "or (555) 234-5678, at home"}),
    fault("turns", "no_phone", {"content": "555-234-5678"}),
    fault("turns", "no_card", {"content": "it is 4111 1111 1111 1111, yes"}),
    fault("turns", "no_card", {"content": "5555555555554444"}),
    fault("turns", "no_identity_number", {"content": "my social is 123-45-6789, you know"}),
    fault("turns", "no_identity_number", {"content": "la CURP es BADD110313HCMLNS09"}),
    fault("turns", "no_identity_number", {"content": "a la cuenta ES91 2100 0418 4502 0005 1332"}),
    fault("turns", "no_identity_number", {"content": "to GB29NWBK60161331926819 then"}),
    fault("predictions", "turn_not_negative", {"turn": -1}, also="turn_exists"),
    fault("predictions", "answer_not_empty", {"probabilities": "{}"}),
    fault("predictions", "probabilities_from_0_to_1", {"probabilities": '{"price": -0.1}'}),
    fault("predictions", "probabilities_from_0_to_1", {"probabilities": '{"price": 1.1}'}),
    fault("predictions", "probabilities_from_0_to_1", {"probabilities": '{"price": "much"}'}),
    fault("predictions", "probabilities_from_0_to_1", {"probabilities": "0.5"}),
    fault("predictions", "latency_not_negative", {"latency_ms": -1.0}),
    fault("predictions", "latency_plausible", {"latency_ms": 3.6e6}),
    fault("predictions", "mode_known", {"mode": "guess"}),
    fault("predictions", "task_known", {"task": "weather"}),
    fault("predictions", "labels_of_ours_known", {"probabilities": '{"colour": 0.5}'}),
    fault("predictions", "labels_of_ours_known", {"labels": ["colour"]}),
    fault("predictions", "labels_of_caller_known", {"probabilities": '{"colour": 0.5}', "version": "caller"}),
    fault("predictions", "answer_told_once", {}, {"later": SECOND}),
    fault("predictions", "conversation_exists", {"conversation_id": NOBODY}, also="turn_exists"),
    fault("predictions", "turn_exists", {"turn": 7777}),
    fault("predictions", "time_not_in_the_future", also="turn_exists", is_ahead=True),
    fault("outcomes", "outcome_not_empty", {"outcome": ""}),
    fault("outcomes", "conversation_exists", {"conversation_id": NOBODY}),
    fault("outcomes", "value_plausible", {"value": 5e12}),
    fault("outcomes", "currency_plausible", {"value": 5, "currency": "doubloons"}),
    fault("outcomes", "satisfaction_plausible", {"satisfaction": -3.0}),
    fault("outcomes", "duration_not_negative", {"duration_seconds": -1.0}),
    fault("outcomes", "learnt_after_it_happened", {"learnt_at": FIRST - timedelta(days=1)}),
    fault("outcomes", "one_outcome_at_a_time", {}, {}),
    fault("outcomes", "time_not_in_the_future", is_ahead=True),
    fault("labels", "turn_not_negative", {"turn": -1}),
    fault("labels", "source_known", {"source": "somebody"}),
    fault("labels", "rank_known", {"source_rank": 5}),
    fault("labels", "task_known", {"task": "weather"}),
    fault("labels", "labels_known", {"labels": ["colour"]}),
    fault("labels", "conversation_exists", {"conversation_id": NOBODY}),
    fault("labels", "learnt_after_it_happened", {"learnt_at": FIRST - timedelta(days=1)}),
    fault("labels", "one_label_at_a_time", {}, {}),
    fault("labels", "time_not_in_the_future", is_ahead=True),
    fault("assignments", "arm_not_empty", {"arm": ""}),
    fault("assignments", "unit_known", {"unit": "household"}),
    fault("assignments", "propensity_at_least_a_millionth", {"propensity": 0.0}),
    fault("assignments", "propensity_at_most_1", {"propensity": 1.5}),
    fault("assignments", "reason_known", {"reason": "whim"}),
    fault("assignments", "experiment_exists", {"experiment_id": conversation_id("no experiment")}),
    fault("assignments", "conversation_exists", {"conversation_id": NOBODY}),
    fault("assignments", "time_not_in_the_future", is_ahead=True),
    fault("acts", "act_known", {"act": "dance"}),
    fault("acts", "source_known", {"source": "somebody"}),
    fault("acts", "probability_at_least_0", {"probability": -0.1}),
    fault("acts", "probability_at_most_1", {"probability": 1.1}),
    fault("acts", "tagger_not_empty", {"tagger": ""}),
    fault("acts", "turn_exists", {"turn": 7777}),
)
OF_HOURS = {
    ("ml_tracking_events", "few_errors"),
    ("ml_tracking_events", "few_fallbacks"),
    ("calls_by_hour", "volume_not_too_low"),
    ("calls_by_hour", "volume_not_too_high"),
    ("sources", "not_silent"),
}
"""Checks that no row of facts fails alone."""
OF_SCHEMA = {
    "conversations": "program",
    "turns": "role",
    "predictions": "feature_digest",
    "outcomes": "tier",
    "labels": "supersedes",
    "assignments": "propensity",
    "acts": "tagger",
    "ml_tracking_events": "created_at",
}
"""A column of each table, to be taken away."""


def good_row(table: str, number: int, at: datetime) -> Row:
    own = {"conversation_id": conversation_id(f"case {number}"), "at": at, "event_id": event_id(at)}
    if table == "conversations":
        del own["at"], own["event_id"]
    columns: dict[str, Row] = {
        "conversations": {"source": "agent", "started_at": at, "last_event_at": at},
        "turns": {"turn": 1, "role": "user", "content": "Fine, 3 of 12 on 2026-11-01 at 10:30."},
        "predictions": {
            "turn": 0, "task": "objection", "mode": "detect", "version": "v/1", "probabilities": '{"price": 0.5}',
            "labels": [], "is_served": True,
        },
        "outcomes": {"learnt_at": at, "outcome": "completed", "is_sold": False, "source": "agent"},
        "labels": {"task": "objection", "labels": ["price"], "source": "human", "source_rank": 1, "learnt_at": at},
        "assignments": {
            "experiment_id": conversation_id("greeting"), "experiment": "greeting", "arm": "warm", "reason": "drawn",
            "unit": "conversation", "unit_id": "u", "propensity": 0.5, "policy_epoch": 1, "policy_n": 1,
        },
        "acts": {
            "turn": 0, "act": "agreement", "source": "model", "probability": 0.9, "tagger": "acts/1",
            "turn_event_id": event_id(at),
        },
    }  # fmt: skip
    return own | columns[table]


def insert(tx, table: str, row: Row) -> str:
    """Return the id by which a check should name the row."""
    places = ", ".join(f"%({name})s{'::uuid' if name.endswith('_id') and name != 'unit_id' else ''}" for name in row)
    tx.cursor().execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", row)  # noqa: S608
    return str(row.get("event_id", row["conversation_id"]))


@dataclass(frozen=True)
class Injected:
    fault: Fault
    hours: frozenset[datetime]
    rows: tuple[str, ...]


def inject(tx, found: Fault, number: int) -> Injected:
    started = FIRST + number * HOUR
    at = SOON + number * HOUR if found.is_ahead else started
    if found.table != "conversations":
        insert(tx, "conversations", good_row("conversations", number, started))
        insert(tx, "turns", good_row("turns", number, started) | {"turn": 0})
    bad = []
    for change in found.bad_rows:
        row = good_row(found.table, number, at) | change
        row |= {"at": row["at"] + row.pop("later")} if "later" in row else {}
        bad.append(insert(tx, found.table, row))
    reaches = found.table in ("outcomes", "labels") and found.bad_rows[0].get("conversation_id") != NOBODY
    return Injected(found, frozenset({at, started} if reaches else {at}), tuple(bad))


def without_safety(database, hours: Iterable[datetime]) -> None:
    """Take away what the schema itself forbids, so that the checks can show that they see it too."""
    for table in ("turns", "predictions", "acts"):
        for day in {hour.date() for hour in hours}:
            rows(database, "SELECT ensure_day_partition(%(table)s, %(day)s)", table=table, day=day)
    for name in partitions(database, "turns"):
        rows(database, f"ALTER TABLE {name} ALTER content DROP NOT NULL")
    rows(database, "ALTER TABLE conversations ALTER source DROP NOT NULL")
    for name in partitions(database, "acts"):
        rows(database, f"ALTER TABLE {name} DROP CONSTRAINT IF EXISTS acts_source_check")


def partitions(database, table: str) -> list[str]:
    """Return the table itself, then its partitions."""
    found = rows(database, "SELECT relid::text AS name FROM pg_partition_tree(%(table)s) ORDER BY level", table=table)
    return [row["name"] for row in found]


def add_calls(database, source: str, hour: datetime, calls: int) -> None:
    rows(
        database,
        "INSERT INTO conversations (conversation_id, source, started_at, last_event_at) "
        "SELECT gen_random_uuid(), %(source)s, %(at)s + n * interval '1 second', %(at)s + interval '1 hour' "
        "FROM generate_series(1, %(calls)s) AS n",
        source=source, at=hour, calls=calls,
    )  # fmt: skip


def add_usual(database, source: str, hour: datetime, calls: int) -> None:
    """Let there have been so many calls at that hour in each of the three weeks before, all of them trusted."""
    for week in (1, 2, 3):
        earlier = hour - week * timedelta(days=7)
        add_calls(database, source, earlier, calls)
        rows(database, "INSERT INTO quality_verdicts (hour, state) VALUES (%(hour)s, 'trusted')", hour=earlier)


def disturb_hours(database, numbers: Iterator[int]) -> None:
    """Cause each fault that only a whole hour shows."""
    failing, falling_back, quiet, busy = (FIRST + next(numbers) * HOUR for _ in range(4))
    append(database, [error("host", at=failing + n * SECOND) for n in range(30)])
    append(database, [prediction("host", n, is_fallback=True, at=falling_back) for n in range(30)])
    add_usual(database, "quiet", quiet, 40)
    add_calls(database, "quiet", quiet, 3)
    add_usual(database, "busy", busy, 5)
    add_calls(database, "busy", busy, 40)
    add_usual(database, "silent", SOON - 5 * HOUR, 40)
    rows(
        database,
        "INSERT INTO quality_verdicts (hour) SELECT unnest(%(hours)s)",
        hours=[failing, falling_back, quiet, busy],
    )


@pytest.fixture
def faulty(database) -> tuple[Any, list[Injected]]:
    numbers = count()
    without_safety(database, [FIRST + n * HOUR for n in range(100)] + [SOON + n * HOUR for n in range(100)])
    rows(
        database,
        "INSERT INTO ml_experiments (id, name, experiment_type, status, config) "
        "VALUES (%(id)s::uuid, 'greeting', 'greeting', 'done', '{}')",
        id=conversation_id("greeting"),
    )
    with psycopg2.connect(database.owner_dsn) as tx:
        injected = [inject(tx, found, next(numbers)) for found in FAULTS]
    hours = sorted({hour for each in injected for hour in each.hours})
    rows(database, "INSERT INTO quality_verdicts (hour) SELECT unnest(%(hours)s)", hours=hours)
    disturb_hours(database, numbers)
    return database, injected


def test_every_check_has_a_fault():
    assert {found.key for found in FAULTS} | OF_HOURS | {(table, "schema") for table in OF_SCHEMA} == set(CHECKS)


def test_every_check_catches_its_fault_alone_and_holds_its_hour_alone(faulty, monkeypatch):
    database, injected = faulty
    monkeypatch.setattr(check_data_quality, "HOURS_AT_ONCE", 1000)

    counts = check_data_quality.run()

    failed = {
        (row["table_name"], row["expectation"]): row
        for row in rows(
            database, "SELECT *, failing_events::text[] AS events FROM quality_results WHERE NOT has_passed"
        )
    }
    assert set(failed) == {found.key for found in FAULTS} | OF_HOURS
    assert counts["failed"] == len(failed)
    assert {key: failed[key]["observed"]["unexpected_count"] for key in OF_HOURS} == dict.fromkeys(OF_HOURS, 1)
    for each in injected:
        for bad in each.rows:
            assert {key for key, row in failed.items() if bad in row["events"]} == each.fault.named_by, each.fault
    expected = {
        hour: f"{each.fault.table}.{each.fault.check}"
        for each in injected
        for hour in each.hours
        if CHECKS[each.fault.key].severity is Severity.CRITICAL
    }
    verdicts = rows(database, "SELECT hour, state, reason FROM quality_verdicts")
    assert {row["hour"]: row["reason"] for row in verdicts if row["state"] == "held"} == expected
    assert {row["state"] for row in verdicts if row["hour"] not in expected} == {"trusted"}
    recorded = str([row["observed"] for row in failed.values()])
    assert not any(word in recorded for word in ("ana.lopez", "5678", "4111", "BADD11"))


def test_a_table_without_a_column_holds_every_hour_and_lets_go_once_it_is_back(database):
    rows(database, "INSERT INTO quality_verdicts (hour) VALUES (%(hour)s)", hour=FIRST)
    for table, column in OF_SCHEMA.items():
        rows(database, f"ALTER TABLE {table} RENAME {column} TO something_else")

    counts = check_data_quality.run()

    failed = rows(database, "SELECT table_name, expectation FROM quality_results WHERE NOT has_passed")
    assert {(row["table_name"], row["expectation"]) for row in failed} == {(table, "schema") for table in OF_SCHEMA}
    assert counts["hours_held"] == 1

    for table, column in OF_SCHEMA.items():
        rows(database, f"ALTER TABLE {table} RENAME something_else TO {column}")

    assert check_data_quality.run()["hours_trusted"] == 1
