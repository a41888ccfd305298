"""Facts and rollups made again from the log: equal to the row, and mended where they were not."""

import json
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from ml_pipeline.cli import app
from ml_pipeline.database.engine import transaction
from ml_pipeline.events import store as live
from ml_pipeline.events.rebuilding import store as rebuilding
from ml_pipeline.jobs import ingest_events, rebuild, roll_up_metrics
from tests.integration.events import (
    Event,
    after,
    append,
    assignment,
    label,
    outcome,
    prediction,
    rows,
    sales_floor,
    trust_all,
    turn,
)

TABLES = (
    "conversations",
    "turns",
    "predictions",
    "outcomes",
    "labels",
    "assignments",
    "unprojected_events",
    "metric_rollups",
    "metric_periods",
)


def everything(database) -> dict[str, list[dict[str, Any]]]:
    statement = "SELECT to_jsonb(row) AS row FROM {} AS row ORDER BY 1"
    return {table: rows(database, statement.format(table)) for table in TABLES}


def twists() -> list[Event]:
    """Repeats, replacements, corrections and what cannot be used."""
    guessed = prediction("t", 3, at=after(31))
    held = label("t", "objection", ["price"], number=1, at=after(hours=3))
    return [
        turn("t", 1, conversation={"language": "es"}),
        turn("t", 1, "Said again.", at=after(12)),
        turn("t", 3, conversation={"language": "en"}, at=after(30)),
        guessed,
        prediction("t", 1, at=after(33), replaces=guessed["id"]),
        held,
        label("t", "objection", [], number=1, at=after(hours=5), supersedes=held["id"]),
        assignment("t", "warm"),
        assignment("t", "plain", at=after(40)),
        outcome("t", "converted", conversion_value=250, currency="USD", at=after(hours=6)),
        outcome("t", "refunded", conversion_value=-250, currency="USD", at=after(days=2)),
        turn("t", 5, schema=9, at=after(50)),
    ]


@pytest.fixture
def floor(database):
    """A sales floor of two days and a conversation full of twists, all of it rolled up."""
    append(database, [*sales_floor(conversations=7), *twists()])
    ingest_events.run()
    trust_all(database)
    roll_up_metrics.run()
    rows(database, "DELETE FROM changed_hours")
    return database


def test_where_nothing_is_wrong_nothing_differs_and_nothing_changes(floor):
    before = everything(floor)

    found = rebuild.run()

    assert not found.differing
    assert {table: found.compared[table] for table in before if table != "metric_periods"} == {
        table: len(held) for table, held in before.items() if table != "metric_periods"
    }
    assert everything(floor) == before
    assert rows(floor, "SELECT * FROM changed_hours") == []
    assert rows(floor, "SELECT * FROM quality_verdicts WHERE state <> 'trusted'") == []


CORRUPTIONS = {
    "conversations": [
        "UPDATE conversations SET language = 'fr' WHERE client_id = 'floor-0-3'",
        "DELETE FROM conversations WHERE client_id = 'floor-0-4'",
    ],
    "turns": [
        "DELETE FROM turns WHERE turn = 3",
        "UPDATE turns SET content = 'Never said.' WHERE turn = 4",
        "INSERT INTO turns SELECT conversation_id, 99, at, role, content, event_id FROM turns WHERE turn = 0",
    ],
    "predictions": ["UPDATE predictions SET probabilities = '{}' WHERE turn = 1 AND version <> 'caller'"],
    "outcomes": ["UPDATE outcomes SET is_sold = NOT is_sold"],
    "labels": ["UPDATE labels SET superseded_at = now() WHERE turn = 1"],
    "assignments": ["UPDATE assignments SET arm = 'plain', event_id = gen_random_uuid()"],
    "unprojected_events": ["DELETE FROM unprojected_events"],
}


def test_corrupted_facts_are_mended_and_their_hours_are_judged_again(floor):
    before = everything(floor)
    for corruptions in CORRUPTIONS.values():
        rows(floor, "; ".join(corruptions))

    found = rebuild.run()

    assert {table for table, _ in found.differing} == CORRUPTIONS.keys()
    assert {state for table, state in found.differing if table == "turns"} == {"lacking", "surplus", "different"}
    assert everything(floor) == before
    named = {row["hour"] for row in rows(floor, "SELECT hour FROM changed_hours WHERE consumer = 'rollups'")}
    reopened = {row["hour"] for row in rows(floor, "SELECT hour FROM quality_verdicts WHERE state = 'pending'")}
    assert named == reopened
    assert not rebuild.run().differing


def test_the_connection_that_a_rebuild_gives_back_knows_the_live_tables_only(floor):
    rebuild.run()

    with transaction() as tx, tx.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()")
        assert cursor.fetchall() == []


def test_only_hours_that_mended_rows_reach_are_named(floor):
    rows(
        floor, "UPDATE turns SET content = 'Never said.' WHERE event_id = (SELECT min(event_id::text)::uuid FROM turns)"
    )

    rebuild.run()

    named = {row["hour"] for row in rows(floor, "SELECT hour FROM changed_hours")}
    assert len(named) == 1


def test_corrupted_rollups_are_mended_and_no_hour_is_judged_again(floor):
    before = everything(floor)
    rows(floor, "UPDATE metric_rollups SET value = value + 1 WHERE metric = 'conversion_rate'")
    rows(floor, "DELETE FROM metric_rollups WHERE metric = 'accuracy'")
    rows(floor, "INSERT INTO metric_rollups (hour, metric, value, n) SELECT min(hour), 'x', 1, 1 FROM metric_rollups")
    rows(floor, "UPDATE metric_periods SET n = n + 1 WHERE grain = 'week'")

    found = rebuild.run()

    assert {table for table, _ in found.differing} == {"metric_rollups", "metric_periods"}
    assert everything(floor) == before
    assert rows(floor, "SELECT * FROM changed_hours") == []
    assert not rebuild.run().differing


def test_an_hour_that_waits_to_be_rolled_up_is_left_to_the_rollup(floor):
    append(floor, [prediction("floor-0-3", 1, version="late/1", at=after(12001))])
    ingest_events.run()
    trust_all(floor)

    found = rebuild.run()

    assert not found.differing
    assert rows(floor, "SELECT count(*) > 0 AS waits FROM changed_hours WHERE consumer = 'rollups'") == [
        {"waits": True}
    ]


def test_comparing_only_tells_what_differs_and_mends_nothing(floor):
    rows(floor, "DELETE FROM turns WHERE turn = 3")
    corrupted = everything(floor)

    run = CliRunner().invoke(app, ["rebuild", "--compare-only", "--json"], catch_exceptions=False)

    document = json.loads(run.stdout)
    assert run.exit_code == 1
    assert document["tables"]["turns"]["lacking"] == 8
    assert document["examples"][0]["row_key"].keys() == {"conversation_id", "turn", "at"}
    assert everything(floor) == corrupted


def test_the_command_tells_tables_and_examples(floor):
    rows(floor, "DELETE FROM outcomes WHERE at < %(at)s", at=after(hours=2))

    first = CliRunner().invoke(app, ["rebuild"], catch_exceptions=False)
    second = CliRunner().invoke(app, ["rebuild"], catch_exceptions=False)

    assert "What differed" in first.stdout
    assert "outcomes: lacking: event_id " in first.stdout
    assert "Everything is as the log has it" in second.stdout


@pytest.mark.parametrize("step", ["close_batch", "find_suspects"])
def test_what_arrives_during_a_rebuild_is_not_lost_whether_projected_meanwhile_or_not(floor, monkeypatch, step):
    rows(floor, "UPDATE outcomes SET is_sold = NOT is_sold")
    original = getattr(rebuilding, step)
    is_done: list[bool] = []

    def interrupted(*arguments: Any) -> Any:
        answer = original(*arguments)
        if not is_done:
            is_done.append(True)
            append(floor, [turn("floor-0-3", 20, at=after(12100)), outcome("floor-0-3", "converted", at=after(13000))])
            subprocess.run(
                [sys.executable, "-c", "from ml_pipeline.jobs import ingest_events as j; j.run()"], check=True
            )
            append(floor, [turn("new", 0), outcome("floor-0-3", "lost", at=after(14000))])
        return answer

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(rebuilding, step, interrupted)
        found = rebuild.run()

    assert found.differing.keys() == {("outcomes", "different")}
    assert rows(floor, "SELECT count(*) AS n FROM turns WHERE turn = 20") == [{"n": 1}]
    ingest_events.run()
    assert rows(floor, "SELECT count(*) AS n FROM log_ledger") == [{"n": 0}]
    assert not rebuild.run().differing


def test_a_rebuild_that_is_killed_leaves_everything_as_it_was_and_the_next_one_starts_clean(floor, monkeypatch):
    rows(floor, "UPDATE outcomes SET is_sold = NOT is_sold")
    corrupted = everything(floor)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(live, "name_hours", die)
        with pytest.raises(KeyboardInterrupt):
            rebuild.run()
    assert everything(floor) == corrupted
    assert rows(floor, "SELECT * FROM changed_hours") == []

    assert rebuild.run().differing == {("outcomes", "different"): len(corrupted["outcomes"])}


def test_days_whose_events_were_dropped_are_carried_over(floor):
    rows(floor, f"DROP TABLE ml_tracking_events{after():_%Y%m%d}")
    rows(floor, "UPDATE turns SET content = 'Never said.'")
    frozen = rows(floor, "SELECT * FROM turns WHERE at < %(day)s ORDER BY 1, 2", day=tomorrow())

    rebuild.run()

    assert rows(floor, "SELECT * FROM turns WHERE at < %(day)s ORDER BY 1, 2", day=tomorrow()) == frozen
    assert rows(floor, "SELECT * FROM turns WHERE at >= %(day)s AND content = 'Never said.'", day=tomorrow()) == []


def tomorrow():
    return (after() + timedelta(days=1)).replace(hour=0)


@pytest.mark.parametrize("days", [0.5, 2.5])
def test_a_conversation_that_began_before_the_day_comes_out_right(database, days):
    start = tomorrow() - timedelta(days=days)
    append(
        database,
        [
            turn("a", 0, at=start, conversation={"language": "es", "platform": "web"}),
            assignment("a", "warm", at=start),
            prediction("a", 0, at=start),
            turn("a", 1, at=tomorrow() + timedelta(hours=1), conversation={"language": "en"}),
            turn("a", 0, at=tomorrow() + timedelta(minutes=1)),
            assignment("a", "plain", at=tomorrow() + timedelta(hours=1)),
            outcome("a", "converted", at=tomorrow() + timedelta(hours=2)),
        ],
    )
    ingest_events.run()
    before = everything(database)
    rows(database, "UPDATE outcomes SET is_sold = NOT is_sold")
    rows(database, "UPDATE conversations SET language = 'fr', last_event_at = last_event_at + interval '1 hour'")

    found = rebuild.run(tomorrow())

    assert found.differing == {("outcomes", "different"): 1, ("conversations", "different"): 1}
    assert everything(database) == before


def test_without_a_log_there_is_nothing_to_rebuild(database):
    assert rebuild.run().compared == {}
