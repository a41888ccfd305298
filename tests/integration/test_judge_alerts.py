"""The life of alerts in Postgres: opened once, renewed, acknowledged, resolved; late data, faults, two judges."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg2
import pytest
from typer.testing import CliRunner

from ml_pipeline.alerts.rulebook import UNREADABLE
from ml_pipeline.cli import app
from ml_pipeline.database.named_sql import queries
from ml_pipeline.jobs import roll_up_metrics
from ml_pipeline.settings import load_settings
from tests.contracts.alert_cases import (
    CALLER,
    CASES,
    NOW,
    SLOW,
    batch_waits,
    conversations,
    every_hour,
    hourly,
    traffic,
)
from tests.integration.events import after, rows

ALERTS = "SELECT * FROM alerts ORDER BY opened_at, rule, subject"
RULE = "error_rate_high"


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def own_rules(monkeypatch: pytest.MonkeyPatch):
    """Return a function that puts rules into the settings."""

    def put(*rules: dict[str, Any]) -> None:
        from msgspec.structs import replace

        settings = replace(load_settings(), alert_rules=rules)
        monkeypatch.setattr(roll_up_metrics, "load_settings", lambda: settings)

    return put


def judge(hours: float = 0) -> dict[str, int]:
    return roll_up_metrics.judge_alerts(NOW + timedelta(hours=hours))


def of(database: Any, rule: str = RULE) -> list[dict[str, Any]]:
    return [alert for alert in rows(database, ALERTS) if alert["rule"] == rule]


def test_judging_the_same_hour_twice_changes_nothing(database):
    CASES[RULE].fires(database)

    first = judge()
    standing = rows(database, "SELECT * FROM alert_standings ORDER BY rule, subject")
    second = judge(0.4)

    assert first["opened"] > 0
    assert (second["opened"], second["resolved"]) == (0, 0)
    assert rows(database, "SELECT * FROM alert_standings ORDER BY rule, subject") == standing
    assert len(of(database)) == 1


def test_an_open_alert_is_renewed_with_what_was_found_last(database):
    hourly(database, "error_rate", 0.1, hours=(3, 0))
    judge()
    hourly(database, "error_rate", 0.4, hours=(0, -3))
    judge(3)

    (alert,) = of(database)
    assert alert["value"] == pytest.approx(0.4)
    assert alert["opened_at"] == NOW
    assert alert["last_seen_at"] == NOW + timedelta(hours=3)
    assert "40 %" in alert["headline"]
    assert alert["evidence"]["hours"] == 3


def test_an_alert_resolves_after_quiet_hours_and_a_new_one_may_open(database):
    hourly(database, "error_rate", 0.2, hours=(3, 0))
    hourly(database, "error_rate", 0.01, hours=(0, -6))
    hourly(database, "error_rate", 0.2, hours=(-6, -12))

    for hour in (0, 5, 6, 12):
        judge(hour)

    first, second = of(database)
    assert (first["resolved_at"], first["resolution"]) == (NOW + timedelta(hours=6), "quiet again")
    assert (second["opened_at"], second["resolved_at"]) == (NOW + timedelta(hours=12), None)


def test_a_rate_that_flaps_around_its_bound_opens_one_alert(database):
    for hour in range(24):
        hourly(database, "error_rate", 0.16 if hour % 2 else 0.02, 600, hours=(-hour, -hour - 1))
    for hour in range(3, 25):
        judge(hour)

    assert len(of(database)) == 1


def test_few_failures_of_few_attempts_are_no_alert(database):
    hourly(database, "error_rate", 0.3, 8, hours=(48, 0))

    judge()

    assert of(database) == []


def test_hours_that_are_held_now_do_not_count(database):
    CASES[RULE].fires(database)
    rows(
        database,
        "INSERT INTO quality_verdicts (hour, state, judged_at) SELECT DISTINCT hour, 'held', %(now)s::timestamptz "
        "FROM metric_rollups",
        now=NOW,
    )

    judge()

    assert of(database) == []


def test_late_data_are_waited_for_as_long_as_the_rule_says(database, own_rules):
    """What started in the last hour arrives within the next one, as it does every week."""
    absent = {"kind": "absence", "signal": "conversations", "description": "…", "severity": "info", "owner": "agent",
              "runbook": "docs/alerts.md", "window_hours": 1}  # fmt: skip
    own_rules({**absent, "name": "eager"}, {**absent, "name": "patient", "delay_hours": 1})
    for week in range(5):
        for hours_ago in (1, 2):
            if (week, hours_ago) != (0, 1):
                conversations(database, 60, week=week, hours_ago=hours_ago)

    judge()
    conversations(database, 60, hours_ago=1)
    judge(1)

    assert len(of(database, "eager")) == 1
    assert of(database, "patient") == []


def test_data_that_are_late_beyond_all_waiting_resolve_what_they_opened(database):
    traffic(now=0)(database)
    judge()
    conversations(database, 60)
    judge(0.5)
    judge(1)

    (alert,) = of(database, "traffic_absent")
    assert alert["resolution"] == "quiet again"


def test_a_replayed_source_that_ended_is_not_absent(database):
    traffic(now=0)(database)
    rows(
        database,
        "INSERT INTO replayed_sources (source, is_simulated, shift, first_at, last_at) "
        "VALUES ('agent', true, '0', %(now)s, %(now)s)",
        now=NOW,
    )

    judge()

    assert of(database, "traffic_absent") == []


def test_a_rule_that_cannot_be_read_is_an_alert_and_stops_no_other(database, own_rules):
    CASES[RULE].fires(database)
    own_rules({"name": "mine", "kind": "threshold", "metric": "acuracy"}, {"name": "ingest_lag", "bound": "soon"})

    judge()

    broken = of(database, UNREADABLE.name)
    assert [alert["subject"] for alert in broken] == ["ingest_lag", "mine"]
    assert "'soon'" in broken[0]["headline"]
    assert len(of(database)) == 1


def test_a_rule_that_was_mended_or_taken_out_is_no_alert_any_more(database, own_rules):
    own_rules({"name": "mine", "kind": "threshold"}, {"name": "ingest_lag", "bound": "soon"})
    judge()
    own_rules({"name": "ingest_lag", "bound": 9})
    judge(1)

    assert {(alert["subject"], alert["resolution"]) for alert in of(database, UNREADABLE.name)} == {
        ("ingest_lag", "quiet again"),
        ("mine", "the rule was taken out"),
    }


def test_a_rule_that_postgres_will_not_answer_is_an_alert_and_stops_no_other(database):
    CASES[RULE].fires(database)
    rows(database, "ALTER TABLE unprojected_events RENAME TO elsewhere")

    try:
        judge()
    finally:
        rows(database, "ALTER TABLE elsewhere RENAME TO unprojected_events")

    (alert,) = of(database, UNREADABLE.name)
    assert alert["subject"] == "unprojectable_share_high"
    assert "unprojected_events" in alert["headline"]
    assert len(of(database)) == 1


def test_a_disabled_rule_resolves_its_alert(database, own_rules):
    CASES[RULE].fires(database)
    judge()
    own_rules({"name": RULE, "disabled": True})
    judge(1)

    (alert,) = of(database)
    assert alert["resolution"] == "the rule was taken out"


def test_a_subject_that_is_gone_does_not_stay_open_for_ever(database):
    CASES["latency_high"].fires(database)
    judge()
    judge(1)
    rows(database, "DELETE FROM metric_rollups")
    judge(24 * 9)

    (alert,) = of(database, "latency_high")
    assert alert["resolution"] == "not measured any more"


def test_the_time_that_the_callers_own_model_takes_is_not_our_budget(database):
    every_hour("latency_mean", 20.0, histogram=SLOW, **CALLER)(database)
    judge()
    judge(1)

    assert of(database, "latency_high") == []


def test_two_judges_at_once_open_one_alert(database):
    CASES[RULE].fires(database)
    judges = [threading.Thread(target=judge) for _ in range(4)]
    for each in judges:
        each.start()
    for each in judges:
        each.join()

    assert len(of(database)) == 1


def test_a_day_that_is_worse_every_week_is_no_change(database, own_rules):
    own_rules({"name": "accuracy_drop", "window_hours": 24, "delay_hours": 0, "fire_after": 1})
    hourly(database, "accuracy", 0.9, hours=(24 * 35, 0), task="objection", mode="detect", version="caller")
    hourly(database, "accuracy", 0.5, hours=(24, 0), weeks=(0, 4), task="objection", mode="detect", version="caller")

    judge()
    (quiet,) = rows(database, "SELECT streak FROM alert_standings WHERE rule = 'accuracy_drop'")
    hourly(database, "accuracy", 0.3, hours=(24, 0), task="objection", mode="detect", version="caller")
    judge(0.5)

    assert quiet["streak"] == -1
    assert len(of(database, "accuracy_drop")) == 1


def test_a_selector_picks_subjects_and_a_wildcard_is_no_pattern_of_sql(database, own_rules):
    for version in ("caller", "caller_2", "callerX2"):
        hourly(database, "accuracy", 0.2, task="objection", mode="detect", version=version)
    mine = {"name": "mine", "kind": "threshold", "description": "…", "severity": "info", "owner": "models",
            "runbook": "docs/alerts.md", "metric": "accuracy", "direction": "below", "bound": 0.5,
            "window_hours": 24}  # fmt: skip
    own_rules({**mine, "version": "caller_2"}, {**mine, "name": "all_of_them", "version": "caller*"})

    judge()

    assert [alert["subject"] for alert in of(database, "mine")] == ["objection detect caller_2"]
    assert len(of(database, "all_of_them")) == 3


def scanned(database: Any, statement: str, table: str, **bounds: Any) -> set[str]:
    """Return the partitions of ``table`` that a statement of the rules opens."""
    plan = rows(database, f"EXPLAIN (ANALYZE, FORMAT JSON) {getattr(queries('alerts'), statement).sql}", **bounds)

    def walk(node: dict[str, Any]) -> Iterator[str]:
        if node["Actual Loops"] and str(node.get("Relation Name", "")).startswith(table):
            yield node["Relation Name"]
        for child in node.get("Plans", ()):
            yield from walk(child)

    return set(walk(plan[0]["QUERY PLAN"][0]["Plan"]))


@pytest.mark.parametrize("measure", ["rejected_share", "unprojectable_share", "fallback_share"])
def test_a_measure_opens_only_the_days_of_its_window(database, measure):
    for day in range(20):
        rows(database, "SELECT ensure_day_partition('ml_tracking_events', %(day)s)", day=after(days=day - 10).date())

    opened = scanned(database, f"measure_{measure}", "ml_tracking_events", start=NOW - timedelta(hours=6), end=NOW)

    assert opened == {f"ml_tracking_events_{NOW:%Y%m%d}"}


def test_what_is_absent_is_looked_for_in_the_days_around_five_windows_only(database):
    CASES["predictions_absent"].fires(database)
    for day in range(40):
        rows(database, "SELECT ensure_day_partition('predictions', %(day)s)", day=after(days=day - 30).date())

    opened = scanned(database, "absent_predicted_conversations", "predictions", start=NOW - timedelta(hours=3), end=NOW)

    assert 5 <= len(opened) <= 15


def test_somebody_acknowledges_an_alert_once_and_it_stays_open(database):
    batch_waits(45)(database)
    judge()
    (alert,) = of(database, "ingest_lag")

    first = CliRunner().invoke(app, ["alerts", "ack", alert["alert"][:8], "--why", "Postgres is being moved"])
    second = CliRunner().invoke(app, ["alerts", "ack", alert["alert"], "--why", "me too"])
    judge(1)

    (kept,) = of(database, "ingest_lag")
    assert first.exit_code == 0, first.output
    assert "already acknowledged" in second.output
    assert kept["note"] == "Postgres is being moved"
    assert kept["acknowledged_by"]
    assert kept["resolved_at"] is None


@pytest.mark.parametrize(("actor", "because", "reason"), [("", "why", "who and why"), ("me", " ", "who and why")])
def test_an_acknowledgement_without_who_and_why_is_refused(database, actor, because, reason):
    batch_waits(45)(database)
    judge()
    (alert,) = of(database, "ingest_lag")

    (answer,) = rows(
        database,
        "SELECT acknowledge_alert(%(alert)s, %(actor)s, %(because)s) AS said",
        alert=alert["alert"],
        actor=actor,
        because=because,
    )

    assert answer["said"]["status"] == "refused"
    assert reason in answer["said"]["reason"]


def test_what_is_resolved_or_unknown_cannot_be_acknowledged(database):
    batch_waits(45)(database)
    judge()
    rows(database, "DELETE FROM log_ledger")
    judge(1)
    judge(2)
    (alert,) = of(database, "ingest_lag")

    said = [
        rows(database, "SELECT acknowledge_alert(%(alert)s, 'me', 'why') AS said", alert=each)[0]["said"]["reason"]
        for each in (alert["alert"], "00000000-0000-4000-8000-000000000000")
    ]

    assert said == ["it is resolved", "there is no such alert"]


def test_pages_may_acknowledge_and_nobody_may_rewrite_what_was_found(database):
    batch_waits(45)(database)
    judge()
    (alert,) = of(database, "ingest_lag")

    with psycopg2.connect(database.dashboards_dsn) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT acknowledge_alert(%s, 'page', 'seen') ->> 'status'", (alert["alert"],))
        assert cursor.fetchone() == ("acknowledged",)
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("UPDATE alerts SET resolved_at = now()")
    with (
        psycopg2.connect(database.jobs_dsn) as connection,
        connection.cursor() as cursor,
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
    ):
        cursor.execute("UPDATE alerts SET opened_at = now()")


def test_the_command_line_lists_alerts_and_rules(database):
    empty = CliRunner().invoke(app, ["alerts"])
    batch_waits(45)(database)
    judge()

    shown = CliRunner().invoke(app, ["alerts"])
    document = json.loads(CliRunner().invoke(app, ["alerts", "--json"]).output)
    rules = CliRunner().invoke(app, ["alerts", "rules"])

    assert empty.output == "no alert is open\n"
    assert "ingest_lag" in shown.output
    assert [alert["rule"] for alert in document] == ["ingest_lag"]
    assert document[0]["evidence"]["entries"] == 1
    assert "error_budget_burns" in rules.output
