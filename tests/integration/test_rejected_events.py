"""What becomes no fact is kept, counted by reason and listed, without a word of what it says."""

import json
from collections import Counter
from typing import Any

from typer.testing import CliRunner

from ml_pipeline.cli import app
from ml_pipeline.events import store
from ml_pipeline.jobs import ingest_events
from tests.integration.events import (
    after,
    append,
    assignment,
    conversation_id,
    event,
    label,
    outcome,
    prediction,
    rows,
    turn,
)

SECRET = "call me at noon"


def listed(*options: str) -> Any:
    run = CliRunner().invoke(app, ["events", "rejected", "--json", *options], catch_exceptions=False)
    assert run.exit_code == 0
    return json.loads(run.stdout)


def reasons(database) -> dict[str, str]:
    found = rows(database, "SELECT event_id::text, reason FROM unprojected_events")
    return {row["event_id"]: row["reason"] for row in found}


FAULTS = [
    (turn("a", 1, content=17), "content: number"),  # type: ignore[arg-type]
    (turn("a", 1, role=None), "role: missing"),  # type: ignore[arg-type]
    (event("a", "turn", after(1), [SECRET]), "turn: missing"),
    (event("a", "turn", after(1), {"turn": SECRET}), "turn: string"),
    (turn("a", 99999999999, at=after()), "turn: unusable number"),
    (turn("a", 1, schema=2), "schema: newer than 1"),
    (turn("a", 1) | {"conversation_id": None}, "conversation_id: missing"),
    (prediction("a", 1, probabilities={"price": SECRET}), "probabilities: unusable object"),
    (prediction("a", 1, probabilities={"price": 10**400}), "probabilities: unusable object"),
    (prediction("a", 1, mode=SECRET), "mode: unusable string"),
    (prediction("a", 1, labels=SECRET), "labels: string"),
    (outcome("a", {"what": SECRET}), "outcome: object"),  # type: ignore[arg-type]
    (outcome("a", conversion_value=SECRET), "conversion_value: string"),
    (label("a", "objection", [["price"]]), "labels: unusable array"),  # type: ignore[list-item]
    (label("a", "objection", [], source=SECRET), "source: unusable string"),
    (assignment("a", propensity=10**400), "propensity: unusable number"),
    (assignment("a", policy={"epoch": 1}), "policy: unusable object"),
    (event("a", "retraining_request", after(), {"mode": "detect"}, "model"), "task: missing"),
    (event("a", "gesture", after(), {"hand": SECRET}, "conversation"), "event_type: unknown"),
]


def test_the_reason_names_the_field_and_its_type_never_its_value(database):
    append(database, [line for line, _ in FAULTS])

    counts = ingest_events.run()

    assert reasons(database) == {line["id"]: reason for line, reason in FAULTS}
    assert counts["unprojectable"] == len(FAULTS)
    assert counts["unprojectable.probabilities: unusable object"] == 2
    assert {row["reason"]: row["events"] for row in listed()["counts"]} == Counter(reason for _, reason in FAULTS)


def test_what_is_shown_is_ids_and_reasons_and_no_word_of_the_events(database):
    append(database, [line for line, _ in FAULTS])
    ingest_events.run()

    shown = CliRunner().invoke(app, ["events", "rejected", "--limit", "100"]).stdout

    assert all(line["id"] in shown and reason in shown for line, reason in FAULTS)
    assert SECRET not in shown


def test_an_events_schema_of_today_and_an_agents_own_type_are_no_fault(database):
    append(database, [turn("a", 0, schema=1), event("a", "price_shown", after(5), {"schema": 9})])

    counts = ingest_events.run()

    assert (counts["turns"], counts["unprojectable"]) == (1, 0)
    assert reasons(database) == {}


def test_a_conversation_of_which_nothing_else_is_understood_is_known_to_have_been(database):
    known = {"language": "es"}
    append(database, [event("a", "gesture", after(3), {"conversation": known}, "conversation"), turn("a", 1, schema=2)])

    ingest_events.run()

    assert rows(database, "SELECT conversation_id::text, started_at, last_event_at, language FROM conversations") == [
        {"conversation_id": conversation_id("a"), "started_at": after(3), "last_event_at": after(10), "language": "es"}
    ]


def test_an_event_is_no_longer_listed_once_the_projection_can_use_it(database, monkeypatch):
    later = turn("a", 0, schema=2)
    append(database, [later])
    ingest_events.run()
    monkeypatch.setattr(store, "SCHEMA", 2)
    rows(database, "INSERT INTO log_ledger (ids) VALUES (ARRAY[%(id)s::uuid])", id=later["id"])

    counts = ingest_events.run()

    assert counts["turns"] == 1
    assert reasons(database) == {}


def test_an_hour_in_which_something_cannot_be_used_is_judged_again(database):
    append(database, [turn("a", 0, schema=2)])

    ingest_events.run()

    named = rows(database, "SELECT table_name, hour FROM changed_hours WHERE consumer = 'quality'")
    assert {(row["table_name"], row["hour"]) for row in named} == {
        ("conversations", after()),
        ("ml_tracking_events", after()),
    }


def test_what_the_door_refused_is_listed_beside_it_the_most_frequent_reason_first(database):
    impossible = [turn("a", number) | {"timestamp": "1999-01-01T00:00:00Z"} for number in range(3)]
    append(database, [*impossible, turn("b", 0, schema=2)])
    ingest_events.run()

    document = listed()

    assert [(row["refused_by"], row["reason"], row["events"]) for row in document["counts"]] == [
        ("door", "time_out_of_range", 3),
        ("projection", "schema: newer than 1", 1),
    ]
    assert {row["event_id"] for row in document["latest"] if row["refused_by"] == "door"} == {
        line["id"] for line in impossible
    }


def test_of_a_record_that_postgres_could_not_read_no_word_is_shown(database):
    writer = "00000000-0000-4000-8000-000000000009"
    because = f'refused by Postgres: invalid input syntax: "{SECRET}"'
    rows(database, "SELECT reject_event(%(w)s, 7, %(b)s, %(raw)s)", w=writer, b=because, raw=f"{{{SECRET}")

    shown = CliRunner().invoke(app, ["events", "rejected"]).stdout

    assert "refused by Postgres" in shown
    assert f"writer {writer}, record 7" in shown
    assert SECRET not in shown


def test_the_list_is_narrowed_by_reason_time_and_number(database):
    append(database, [turn("a", 0, schema=2), turn("a", 1, schema=2), turn("a", 2, role=None)])  # type: ignore[arg-type]
    ingest_events.run()

    assert [row["reason"] for row in listed("--reason", "role: missing")["latest"]] == ["role: missing"]
    assert len(listed("--limit", "2")["latest"]) == 2
    assert listed("--since", "2999-01-01")["counts"] == []


def test_that_nothing_was_rejected_is_said(database):
    shown = CliRunner().invoke(app, ["events", "rejected", "--since", "2026-01-01"]).stdout

    assert shown == "no event was rejected since 2026-01-01 00:00 UTC\n"
