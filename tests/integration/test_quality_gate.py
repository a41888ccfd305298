"""The gate for real: Great Expectations on a real Postgres. Importing it takes seconds; one process does it once."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ml_pipeline.jobs import check_data_quality, ingest_events, roll_up_metrics
from ml_pipeline.quality import data_docs
from ml_pipeline.quality.check import Suite
from ml_pipeline.quality.suites import SUITES, calls_by_hour, labels, outcomes, predictions, sources, turns
from ml_pipeline.quality.suites.expectations import CRITICAL, has_columns, lies_between
from ml_pipeline.quality.validator import Judged, Validator
from tests.integration.events import (
    Event,
    after,
    append,
    label,
    outcome,
    prediction,
    rows,
    sales_floor,
    turn,
)

pytestmark = pytest.mark.timeout(300)  # the import alone may take half a minute on a busy machine

CHECKS = {(suite.table, check.name) for suite in SUITES for check in suite.checks}


def just_now() -> Event:
    return turn("now", 0, at=datetime.now(UTC) - timedelta(minutes=5))


def states(database) -> dict[datetime, tuple[str, str | None]]:
    found = rows(database, "SELECT hour, state, reason FROM quality_verdicts")
    return {row["hour"]: (row["state"], row["reason"]) for row in found}


def held(database) -> dict[datetime, str | None]:
    return {hour: reason for hour, (state, reason) in states(database).items() if state == "held"}


@pytest.fixture
def judging(monkeypatch):
    """Judge by some suites only, to save time where the others have nothing to say."""
    return lambda *suites: monkeypatch.setattr(check_data_quality, "SUITES", tuple(suite.SUITE for suite in suites))


@pytest.fixture
def floor(database):
    append(database, sales_floor(conversations=6))
    append(database, [just_now(), turn("host", 0)])
    ingest_events.run()
    return database


def test_good_facts_are_trusted_and_leave_the_list(floor):
    counts = check_data_quality.run()

    hours = rows(floor, "SELECT count(*) AS n FROM quality_verdicts")[0]["n"]
    assert counts == {
        "checks": len(CHECKS), "failed": 0, "hours_trusted": hours, "hours_held": 0, "hours_released": 0
    }  # fmt: skip
    assert set(states(floor).values()) == {("trusted", None)}
    results = rows(floor, "SELECT table_name, expectation, window_start, window_end FROM quality_results")
    assert {(row["table_name"], row["expectation"]) for row in results} == CHECKS
    assert all(row["window_start"] == after(0) for row in results)
    waiting = {row["consumer"] for row in rows(floor, "SELECT DISTINCT consumer FROM changed_hours")}
    assert "quality" not in waiting
    assert {"feedback", "rollups"} <= waiting
    assert set(check_data_quality.run().values()) == {0}


def test_exactly_the_hours_concerned_are_held_and_catch_up_by_themselves(database, judging):
    judging(turns, outcomes, labels)
    append(database, [turn("a", 0), prediction("a", 0, at=after(hours=1)), turn("b", 0, at=after(hours=2)), just_now()])
    append(database, [outcome("b", conversion_value=10**12, at=after(hours=5)), turn("c", -1, at=after(hours=3))])
    append(database, [label("a", "objection", ["colour"], number=0, at=after(hours=8))])
    ingest_events.run()

    counts = check_data_quality.run()

    assert held(database) == {
        after(0): "labels.labels_known",
        after(hours=1): "labels.labels_known",
        after(hours=2): "outcomes.value_plausible",
        after(hours=3): "turns.turn_not_negative",
        after(hours=5): "outcomes.value_plausible",
        after(hours=8): "labels.labels_known",
    }
    assert counts["hours_held"] == 6
    assert counts["hours_trusted"] == len(states(database)) - 6

    rows(database, "UPDATE labels SET labels = '{price}'")
    append(
        database, [prediction("a", 0, version="v/1", at=after(hours=1)), turn("a", 1), turn("a", 2, at=after(hours=8))]
    )
    ingest_events.run()
    check_data_quality.run()

    assert set(held(database)) == {after(hours=2), after(hours=3), after(hours=5)}


def test_an_hour_that_changes_while_it_is_judged_stays_pending(floor, judging, monkeypatch):
    judging(turns, labels)
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


def test_the_columns_of_a_table_are_looked_at_without_reading_its_rows(database):
    rows(database, "CREATE VIEW unreadable AS SELECT 1 / (n - 1) AS ratio FROM generate_series(1, 1) AS n")
    rows(database, "GRANT SELECT ON unreadable TO ml_jobs")
    suite = Suite("unreadable", (has_columns("ratio"), lies_between("any", CRITICAL, "ratio", 0)))

    with closing(Validator(database.jobs_dsn)) as validator:
        columns = next(validator.judge(Judged(suite, "SELECT 1 AS ratio")))

    assert columns.has_passed


def test_a_bad_truth_goes_on_holding_what_it_reaches(database, judging):
    judging(outcomes)
    append(database, [turn("a", 0), prediction("a", 0), just_now()])
    append(database, [outcome("a", conversion_value=10**12, at=after(hours=5))])
    ingest_events.run()
    check_data_quality.run()
    append(database, [turn("b", 0)])
    ingest_events.run()

    check_data_quality.run()

    assert states(database)[after(0)] == ("held", "outcomes.value_plausible")


def sold_once(name: str, **fields: Any) -> list[Event]:
    """Return a call with an answer an hour later, and its sale a day later, as the CRM tells it."""
    return [
        turn(name, 0),
        turn(name, 1, at=after(hours=1)),
        prediction(name, 1, "conversion", probabilities={"sold": 0.7}, at=after(hours=1)),
        label(name, "conversion", ["sold"], source="crm", at=after(days=1), value=90, currency="USD"),
    ]


def rolled_up(database) -> list[Any]:
    return [
        tuple(row.values())
        for row in rows(
            database,
            "SELECT hour, metric, task, mode, version, slice, value, n FROM metric_rollups "
            "WHERE metric <> 'throughput' ORDER BY 1, 2, 3, 4, 5, 6",
        )
    ]


def test_what_a_bad_truth_held_catches_up_by_itself_once_it_is_corrected(database, judging):
    judging(predictions, labels)
    append(database, sold_once("a"))
    ingest_events.run()
    check_data_quality.run()
    roll_up_metrics.run()
    as_it_should_be = rolled_up(database)
    bad = label("a", "conversion", ["sould"], source="human", at=after(hours=30))

    append(database, [bad])
    ingest_events.run()
    check_data_quality.run()
    skipped = roll_up_metrics.run()

    assert held(database) == dict.fromkeys((after(0), after(hours=1), after(hours=30)), "labels.labels_known")
    assert skipped["hours"] == 0
    assert rolled_up(database) == as_it_should_be

    append(database, [label("a", "conversion", ["sold"], at=after(hours=40), supersedes=bad["id"], value=90)])
    ingest_events.run()
    counts = check_data_quality.run()
    roll_up_metrics.run()

    assert held(database) == {}
    assert counts["hours_trusted"] == 4
    whoever_told = [row for row in as_it_should_be if "label_source" not in row[5]]
    assert {"conversion_rate", "accuracy"} <= {row[1] for row in whoever_told}
    assert [row for row in rolled_up(database) if "label_source" not in row[5]] == whoever_told
    assert rows(database, "SELECT FROM changed_hours WHERE consumer IN ('quality', 'rollups')") == []


def test_hours_are_judged_some_at_a_time_and_a_truth_reaches_across(database, judging, monkeypatch):
    judging(turns, labels)
    monkeypatch.setattr(check_data_quality, "HOURS_AT_ONCE", 1)
    append(database, [turn("a", 0), turn("b", 0, at=after(hours=3))])
    append(database, [label("a", "objection", ["colour"], number=0, at=after(hours=3))])
    ingest_events.run()

    counts = check_data_quality.run()

    assert held(database) == dict.fromkeys((after(0), after(hours=3)), "labels.labels_known")
    assert counts["checks"] == 2 * len(turns.SUITE.checks + labels.SUITE.checks)
    assert counts["hours_held"] == 2


def add_calls(database, source: str, hour: datetime, calls: int) -> None:
    """Let so many calls begin in a trusted hour."""
    rows(
        database,
        "INSERT INTO conversations (conversation_id, source, started_at, last_event_at) "
        "SELECT gen_random_uuid(), %(source)s, %(at)s, %(at)s FROM generate_series(1, %(calls)s)",
        source=source, at=hour, calls=calls,
    )  # fmt: skip
    rows(
        database,
        "INSERT INTO quality_verdicts (hour, state) VALUES (date_trunc('hour', %(at)s::timestamptz, 'UTC'), 'trusted') "
        "ON CONFLICT DO NOTHING",
        at=hour,
    )


def test_silence_and_volume_are_told_only_of_three_weeks_and_of_sources_that_go_on(database, judging):
    judging(calls_by_hour, sources)
    last_hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    for week in (1, 2, 3):
        add_calls(database, "replayed", last_hour - timedelta(days=7 * week), calls=40)
    for week in (1, 2):
        add_calls(database, "new", last_hour - timedelta(days=7 * week), calls=40)
        add_calls(database, "new", after(days=-7 * week), calls=40)
    rows(
        database,
        "INSERT INTO replayed_sources (source, is_simulated, shift, first_at, last_at) "
        "VALUES ('replayed', false, '0', now() - interval '30 days', now() - interval '7 days')",
    )
    append(database, [turn("a", 0)])
    ingest_events.run()

    check_data_quality.run()

    told = rows(
        database,
        "SELECT expectation, has_passed, observed FROM quality_results",
    )
    assert {row["has_passed"] for row in told} == {True}
    by_name = {row["expectation"]: row["observed"] for row in told}
    assert by_name["not_silent"]["without three earlier weeks"] == 1
    assert by_name["volume_not_too_low"]["without three earlier weeks or 20 calls"] == 2


def test_data_docs_show_each_judgement_without_values_or_foreign_resources(database, judging, tmp_path, monkeypatch):
    judging(turns, sources)
    monkeypatch.setattr(data_docs, "KEPT", 2)
    append(database, [turn("a", 0, "write to ana.lopez@example.com.mx please")])
    ingest_events.run()

    for _ in range(3):
        check_data_quality.run()

    folder = tmp_path / "data_docs"
    judgements = sorted(path.name for path in folder.iterdir() if path.is_dir())
    assert len(judgements) == 2
    first_page = (folder / "index.html").read_text()
    assert [name for name in judgements if f"{name}/index.html" in first_page] == judgements
    pages = {page.name: page.read_text() for page in (folder / judgements[-1]).glob("*.html")}
    assert set(pages) >= {"index.html", "turns.rows.html", "turns.schema.html", "sources.rows.html"}
    assert "<td>no_email</td><td>critical</td>" in pages["turns.rows.html"]
    assert "values must belong to this set" in pages["turns.rows.html"]
    everything = first_page + "".join(pages.values())
    assert "ana.lopez" not in everything
    assert "<script" not in everything
    assert "//" not in everything.replace("<!doctype", "")


def test_a_verdict_stands_where_data_docs_cannot_be_written(database, judging, tmp_path):
    judging(sources)
    (tmp_path / "data_docs").write_text("a file where the folder should be")
    append(database, [turn("a", 0)])
    ingest_events.run()

    counts = check_data_quality.run()

    assert counts["hours_trusted"] == 1
