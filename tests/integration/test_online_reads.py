"""What the agent may ask for, on a real Postgres: rows that jobs wrote, and honest answers where there are none."""

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from ml_pipeline import MLPipelineService
from ml_pipeline.jobs import ingest_events
from ml_pipeline.online import store
from ml_pipeline.online.reading.facade import MOST_WAITING
from tests.contracts.test_online_arguments import READS, method, sound
from tests.integration.events import append, conversation_id, prediction, turn
from tests.integration.policy import bundle, execute, experiment, publish, versions_once
from tests.online_agent import NOWHERE, messages

NOW = datetime.now(UTC)
HOUR = NOW.replace(minute=0, second=0, microsecond=0)
ANSWER = {"objections": {"objections": [{"type": "price", "confidence": 0.7}]}, "recommended_actions": ["call back"]}


@pytest.fixture(autouse=True)
def unhurried(monkeypatch):
    """Events stay on disk where a test does not ship them; and a busy machine is no late model."""
    monkeypatch.setenv("ML_PIPELINE_PREDICT_BUDGET_MS", "5000")


def roll_up(database, metric, value, n, *, hours=1, task="", version="", part=""):
    """Keep a metric of an hour, as the roll-up does."""
    mode = {"objection": "anticipate", "needs": "detect", "": ""}[task]
    execute(
        database,
        "INSERT INTO metric_rollups (hour, metric, task, mode, version, slice, value, n)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        HOUR - timedelta(hours=hours), metric, task, mode, version, part, value, n,
    )  # fmt: skip


def check_drift(database, subject, *, severity="none", hours=1, kind="data"):
    checked = NOW - timedelta(hours=hours)
    execute(
        database,
        "INSERT INTO drift_checks VALUES (%s, %s, %s, %s, %s, .3, 'ks', .4, .001, %s, %s, %s, '{}', %s)",
        checked - timedelta(days=7), checked, checked - timedelta(days=14), kind, subject,
        severity != "none", severity, f"{subject} moved", checked,
    )  # fmt: skip


def err(database, kind, label, *, number=0, task="objection", hours=1, loss=2.0):
    execute(
        database,
        "INSERT INTO prediction_errors VALUES (%s, %s, %s, 'anticipate', 'caller', %s, %s, %s, .1, %s, 'human')",
        conversation_id("c"), number, task, kind, label, NOW - timedelta(hours=hours), loss,
    )  # fmt: skip


def mine(database, kind, occurrences, *, first=1, last=1, data=None):
    execute(
        database,
        "INSERT INTO pattern_recognitions VALUES (gen_random_uuid(), %s, %s, .9, %s, %s, %s)",
        kind, json.dumps(data or {}), occurrences, NOW - timedelta(hours=first), NOW - timedelta(hours=last),
    )  # fmt: skip


async def test_model_comparison_merges_hours_by_their_weight_and_leaves_parts_out(database):
    roll_up(database, "accuracy", 0.5, 10, hours=1, task="objection", version="caller")
    roll_up(database, "accuracy", 0.8, 30, hours=2, task="objection", version="caller")
    roll_up(database, "accuracy", 0.1, 99, hours=1, task="objection", version="caller", part="label=price")
    roll_up(database, "accuracy", 0.1, 99, hours=200, task="objection", version="caller")
    roll_up(database, "latency_p95", 40, 10, task="objection", version="objection.anticipate/1")
    roll_up(database, "latency_mean", 4, 10, task="objection", version="objection.anticipate/1")
    publish(database, (bundle("objection.anticipate/1"), "champion", 0))

    async with MLPipelineService() as service:
        answer = await service.metrics_aggregator.get_model_comparison_metrics(["objections", "needs", "weather"], 168)

    versions = {
        "caller": {"mode": "anticipate", "state": None, "metrics": {"accuracy": {"value": 0.725, "n": 40}}},
        "objection.anticipate/1": {
            "mode": "anticipate",
            "state": "champion",
            "metrics": {"latency_mean": {"value": 4.0, "n": 10}},
        },
    }
    assert answer == {
        "timeframe_hours": 168.0,
        "models": {
            "objections": {"champion": "objection.anticipate/1", "versions": versions},
            "needs": {"champion": None, "versions": {}},
        },
        "unknown_models": ["weather"],
        "status": "ok",
        "reason": None,
    }


async def test_the_performance_of_a_model_is_that_of_its_task(database):
    roll_up(database, "f1", 0.6, 10, task="needs", version="caller")
    roll_up(database, "f1", 0.1, 10, task="objection", version="caller")

    async with MLPipelineService() as service:
        answer = await service.event_tracker.get_performance_metrics("needs.detect/3")
        unknown = await service.event_tracker.get_performance_metrics("weather")

    assert answer["versions"]["caller"]["metrics"] == {"f1": {"value": 0.6, "n": 10}}
    assert (answer["model_type"], answer["task"], answer["champion"]) == ("needs.detect/3", "needs", None)
    assert (unknown["task"], unknown["versions"], unknown["status"]) == (None, {}, "ok")


async def test_aggregated_metrics_tell_sales_and_models_apart(database):
    roll_up(database, "conversion_rate", 0.25, 4)
    roll_up(database, "revenue", 90.0, 4, part="currency=USD")
    roll_up(database, "revenue", 10.0, 4, part="currency=MXN")
    roll_up(database, "f1", 0.6, 10, task="needs", version="caller")

    async with MLPipelineService() as service:
        answer = await service.metrics_aggregator.get_aggregated_metrics()

    assert answer["metrics"] == {"conversion_rate": {"value": 0.25, "n": 4}}
    assert answer["revenue"] == {"USD": {"value": 90.0, "n": 4}, "MXN": {"value": 10.0, "n": 4}}
    assert list(answer["models"]) == ["needs"]


async def test_a_trend_is_told_hour_by_hour_the_oldest_first(database):
    for hours, value in ((1, 0.9), (3, 0.5), (300, 0.1)):
        roll_up(database, "f1", value, 10, hours=hours, task="needs", version="caller")
    roll_up(database, "f1", 0.2, 10, task="objection", version="caller")

    async with MLPipelineService() as service:
        answer = await service.metrics_aggregator.get_metric_trends("f1", "needs")
        every = await service.metrics_aggregator.get_metric_trends("f1")

    (line,) = answer["series"]
    assert [point["value"] for point in line["points"]] == [0.5, 0.9]
    assert datetime.fromisoformat(line["points"][1]["hour"]) == HOUR - timedelta(hours=1)
    assert (line["task"], line["version"]) == ("needs", "caller")
    assert {each["task"] for each in every["series"]} == {"needs", "objection"}


async def test_drift_is_summed_up_and_alerts_are_the_findings(database):
    check_drift(database, "length", severity="critical", hours=2)
    check_drift(database, "phase", severity="warning", hours=1)
    check_drift(database, "price", kind="label")
    check_drift(database, "old", severity="critical", hours=50)

    async with MLPipelineService() as service:
        summary = await service.drift_detector.get_drift_summary()
        alerts = await service.event_tracker.get_drift_alerts(timeframe_hours=24)

    assert (summary["checks"], summary["drifted"]) == (3, 2)
    assert summary["by_kind"] == {"data": {"checks": 2, "drifted": 2}, "label": {"checks": 1, "drifted": 0}}
    assert summary["by_severity"] == {"critical": 1, "warning": 1}
    assert [finding["headline"] for finding in summary["findings"]] == ["phase moved", "length moved"]
    assert datetime.fromisoformat(summary["last_checked_at"]) == _cut(NOW - timedelta(hours=1))
    assert (alerts["total_alerts"], alerts["alerts"]) == (2, summary["findings"])


async def test_learning_insights_tell_where_the_errors_are(database):
    for number in range(3):
        err(database, "objection_miss", "price", number=number)
    err(database, "false_alarm", "need", loss=1.0)
    err(database, "need_misidentification", "roi", task="needs")
    err(database, "objection_miss", "trust", hours=24 * 8)

    async with MLPipelineService() as service:
        answer = await service.feedback_loop.get_learning_insights("objection")
        metrics = await service.feedback_loop.get_metrics()

    assert answer["errors_by_kind"] == {"objection_miss": 3, "false_alarm": 1}
    assert answer["total_errors"] == 4
    worst = answer["weakest"][0]
    assert (worst["label"], worst["errors"], worst["mean_loss"]) == ("price", 3, 2.0)
    assert answer["insights"][0] == "caller made 3 errors of kind objection_miss on price in 7 days"
    assert metrics["errors_by_kind"] == {"objection_miss": 3, "false_alarm": 1, "need_misidentification": 1}


async def test_pattern_insights_tell_what_was_seen_and_what_is_new(database):
    mine(database, "objection_sequence", 40, first=90, data={"headline": "price, then trust"})
    mine(database, "objection_sequence", 5)
    mine(database, "drop_off", 9, first=3)
    mine(database, "drop_off", 99, first=90, last=50)
    check_drift(database, "length", severity="warning")

    async with MLPipelineService() as service:
        answer = await service.get_pattern_insights(timeframe_hours=24)

    assert answer["total_patterns"] == 3
    assert answer["pattern_summary"] == {
        "objection_sequence": {"patterns": 2, "occurrences": 45},
        "drop_off": {"patterns": 1, "occurrences": 9},
    }
    assert [pattern["occurrences"] for pattern in answer["trending_patterns"]] == [9, 5]
    assert [anomaly["subject"] for anomaly in answer["anomalies"]] == ["length"]
    assert answer["insights"] == ["price, then trust", "length moved"]


async def test_experiments_are_told_as_they_are_kept(database):
    experiment(database, "greeting")
    experiment(database, "closing", status="completed")

    async with MLPipelineService() as service:
        every = await service.metrics_aggregator.get_ab_test_metrics()
        one = await service.metrics_aggregator.get_ab_test_metrics("closing")

    assert every["active_experiments"] == 1
    assert {each["name"] for each in every["experiments"]} == {"greeting", "closing"}
    assert [(each["name"], each["status"], each["results"]) for each in one["experiments"]] == [
        ("closing", "completed", {})
    ]


async def test_a_report_holds_figures_drift_and_experiments(database):
    roll_up(database, "conversion_rate", 0.25, 4)
    check_drift(database, "length", severity="warning")
    experiment(database)

    async with MLPipelineService() as service:
        report = await service.metrics_aggregator.generate_metrics_report()

    assert report["metrics"] == {"conversion_rate": {"value": 0.25, "n": 4}}
    assert report["drift"]["drifted"] == 1
    assert report["ab_tests"]["active_experiments"] == 1


async def test_what_was_answered_is_known_from_memory_and_after_a_restart_from_postgres(database):
    experiment(database)
    publish(database, (bundle("objection.anticipate/1"), "champion", 0))
    async with MLPipelineService() as service:
        await versions_once(service, {"objection.anticipate/1"})
        given = {**ANSWER, "needs": ["roi"]}
        result = await service.process_conversation_predictions("c", messages("hi"), {}, given)
        remembered = await service.get_ml_insights_for_conversation("c")
        assert await service.drain(30)
    ingest_events.run()
    async with MLPipelineService() as service:
        read = await service.get_ml_insights_for_conversation("c")

    assert remembered["source"] == "memory"
    assert remembered["served_by"] == {"objection": "objection.anticipate/1", "needs": "caller"}
    assert remembered["predictions"]["objections"]["primary_objection"] == "trust"
    assert remembered["confidence_scores"] == result["confidence_scores"]
    assert remembered["recommended_actions"] == ["call back"]
    assert remembered["ab_variants"] == result["ab_variants"] != {}
    assert {**read, "source": "memory"} == remembered


async def test_of_an_unknown_conversation_nothing_is_told(database):
    async with MLPipelineService() as service:
        answer = await service.get_ml_insights_for_conversation("never seen")

    assert answer["status"] == "ok"
    assert not any(answer[name] for name in ("predictions", "served_by", "recommended_actions", "ab_variants"))


async def test_an_answer_that_was_not_served_is_no_insight(database):
    append(database, [turn("c", 0), prediction("c", 0, version="objection.anticipate/1", is_served=False)])
    ingest_events.run()

    async with MLPipelineService() as service:
        answer = await service.get_ml_insights_for_conversation(conversation_id("c"))

    assert answer["predictions"] == {}


async def test_errors_can_be_read_back_one_a_minute_for_each_reason(database):
    async with MLPipelineService() as service:
        for _ in range(5):
            await service.track_event("c", "", {})
            await service.record_feedback("c", "objection", None, "human")
        await service.track_event()  # type: ignore[call-arg]
        assert await service.drain(30)
        errors = await service.event_tracker.get_event_stream(event_types=["error"], limit=50)
        nothing = await service.event_tracker.get_event_stream(conversation_id=object())

    told = {error["data"]["reason"]: error["data"]["count"] for error in errors}
    assert told == {"missing_event_type": 1, "unreadable_labels": 1, "call_failed": 1}
    assert len(errors) == 3
    assert nothing == []


@pytest.mark.parametrize("call", [call for call in READS if call != "event_tracker.get_event_stream"])
async def test_with_postgres_away_a_read_has_the_same_keys_and_says_so(database, tmp_path, monkeypatch, call):
    async with MLPipelineService() as service:
        full = await method(service, call)(**sound(call))
    async with MLPipelineService(dsn=NOWHERE, spool=tmp_path / "elsewhere") as service:
        away = await method(service, call)(**sound(call))

    assert set(away) == set(full)
    assert away.get("pipeline_status", away.get("status")) == "degraded"
    assert full.get("pipeline_status", full.get("status")) in {"ok", "operational", "unchanged"}


async def test_once_postgres_is_back_reads_answer_again(cluster, database):
    async with MLPipelineService() as service:
        before = await service.get_pattern_insights()
        cluster.stop()
        try:
            away = [await service.get_pattern_insights() for _ in range(3)]
        finally:
            cluster.start(fsync="off", full_page_writes="off", synchronous_commit="off", shared_buffers="64MB")
        for _ in range(200):
            after = await service.get_pattern_insights()
            if after["status"] == "ok":
                break
            await asyncio.sleep(0.05)

    assert before["status"] == after["status"] == "ok"
    assert [answer["status"] for answer in away] == ["degraded"] * 3


async def test_reads_beyond_the_bound_answer_at_once_while_the_others_wait(database, monkeypatch):
    release = threading.Event()
    real = store.drift

    def slow(connection, **wanted):
        release.wait(2)
        return real(connection, **wanted)

    monkeypatch.setattr(store, "drift", slow)
    async with MLPipelineService() as service:
        waiting = [asyncio.create_task(service.drift_detector.get_drift_summary()) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        surplus = await service.drift_detector.get_drift_summary()
        are_waiting = not any(task.done() for task in waiting)
        release.set()
        answers = await asyncio.gather(*waiting)

    assert surplus["status"] == "degraded"
    assert str(MOST_WAITING) in surplus["reason"]
    assert are_waiting
    assert {answer["status"] for answer in answers} == {"ok"}


async def test_a_slow_statement_is_given_up_and_costs_no_other(database, monkeypatch):
    monkeypatch.setattr("ml_pipeline.online.reading.facade.STATEMENT_SECONDS", 0.2)

    def sleeps(connection, **_):
        with store._translated(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(60)")

    monkeypatch.setattr(store, "drift", sleeps)
    async with MLPipelineService() as service:
        slow = await service.drift_detector.get_drift_summary()
        other = await service.feedback_loop.get_metrics()

    assert slow["status"] == "degraded"
    assert "57014" in slow["reason"]
    assert other["status"] == "ok"


def _cut(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
