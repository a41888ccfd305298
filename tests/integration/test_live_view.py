"""The last minutes, straight from the log, as a page shows them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient

from ml_pipeline.dashboards.app import create_app
from ml_pipeline.dashboards.live import Live, read_live
from ml_pipeline.database.engine import transaction
from ml_pipeline.database.named_sql import queries
from tests.integration.events import append, error, event, outcome, prediction, rows, turn

NOW = datetime.now(UTC).replace(microsecond=0)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def look(database) -> Live:
    with transaction(database.dashboards_dsn) as tx:
        return read_live(tx, NOW)


@pytest.fixture
def client(database, monkeypatch) -> Iterator[TestClient]:
    monkeypatch.setenv("ML_PIPELINE_DASHBOARDS_DSN", database.dashboards_dsn)
    with TestClient(create_app(clock=lambda: NOW)) as client:
        yield client


def test_a_call_is_in_progress_until_its_outcome_or_until_five_minutes_passed(database):
    append(database, [turn("talking", 0, at=ago(60)), turn("talking", 1, at=ago(30))])
    append(database, [turn("ended", 0, at=ago(60)), outcome("ended", at=ago(20))])
    append(database, [turn("silent", 0, at=ago(301))])

    live = look(database)

    assert [(call.name, call.turns) for call in live.calls] == [("talking", 2)]
    assert live.calls_in_progress == 1


def test_a_call_shows_what_was_told_last(database):
    described = {"language": "es", "program": "PRIME", "platform": "web"}
    append(
        database,
        [
            turn("c", 0, at=ago(90), conversation=described | {"language": "en"}),
            turn("c", 1, at=ago(60), conversation=described),
            prediction("c", 0, "conversion", probabilities={"sold": 0.2}, at=ago(89)),
            prediction("c", 1, "conversion", probabilities={"sold": 0.7}, at=ago(59), context={"phase": "closing"}),
            prediction("c", 1, "conversion", probabilities={"sold": 0.1}, at=ago(58), version="x/1", is_served=False),
        ],
    )

    (call,) = look(database).calls

    assert (call.language, call.program, call.platform) == ("es", "PRIME", "web")
    assert (call.phase, call.turns, call.likelihood) == ("presentation", 2, 0.7)


def test_failures_are_counted_among_attempts_and_latency_by_version(database):
    answers = [prediction("c", n, latency_ms=10.0 * (n + 1), at=ago(120 + n)) for n in range(3)]
    failed = prediction("c", 9, at=ago(121), is_fallback=True, latency_ms=900.0)
    append(database, [*answers, failed, error("c", at=ago(122))])

    live = look(database)

    assert live.error_rate == pytest.approx(2 / 5)
    (answered,) = live.answers
    assert (answered.version, answered.answers, answered.p50_ms) == ("caller", 3, 20.0)
    assert answered.p99_ms == pytest.approx(29.8)


def test_every_minute_is_shown_also_one_in_which_nothing_happened(database):
    append(database, [turn("c", n, at=ago(600)) for n in range(3)])

    live = look(database)

    assert [minute.at for minute in live.minutes] == [
        live.minutes[0].at + timedelta(minutes=n) for n in range(len(live.minutes))
    ]
    assert [minute.events for minute in live.minutes if minute.events] == [3]
    assert len(live.minutes) in (30, 31)
    assert live.error_rate is None


def test_events_a_second_are_those_of_the_last_whole_minutes(database):
    minute = NOW.replace(second=0)
    append(database, [turn("c", n, at=minute - timedelta(seconds=1 + n)) for n in range(299)])
    append(database, [turn("c", 300 + n, at=minute) for n in range(50)])

    assert look(database).events_per_second == pytest.approx(299 / 300)


def test_what_no_job_has_projected_yet_is_told(database):
    append(database, [turn("c", 0, at=ago(10)), turn("c", 1, at=ago(9))])

    assert look(database).backlog == 2


def test_broken_payloads_do_not_break_the_view(database):
    append(
        database,
        [
            prediction(
                "c", 0, at=ago(100), latency_ms="slow", probabilities={"sold": "high"}, context=[], version=None
            ),
            turn("c", "first", at=ago(99), conversation="none"),  # type: ignore[arg-type]
            event(
                "c",
                "prediction",
                ago(98),
                {"task": "t", "mode": "m", "version": "x/1", "probabilities": [], "is_served": 7},
            ),
            event("c", "prediction", ago(97), [1, 2]),
            event("c", "error", ago(96), {"count": "many"}),
        ],
    )

    live = look(database)

    assert (live.calls_in_progress, live.calls[0].turns) == (1, None)
    assert ("x/1", None) in [(each.version, each.p95_ms) for each in live.answers]
    assert live.error_rate == pytest.approx(1 / 4)


@pytest.mark.parametrize("statement", ["minutes", "answers", "calls"])
def test_only_the_days_of_the_last_minutes_are_opened(database, statement):
    append(database, [turn("c", n, at=ago(86400 * n + 5)) for n in range(5)])
    said = getattr(queries("live"), statement).sql

    plan = rows(database, f"EXPLAIN {said}", start=ago(1800), end=NOW, most=20)

    opened = {day for row in plan for day in re.findall(r"ml_tracking_events_\d{8}", row["QUERY PLAN"])}
    assert opened <= {f"ml_tracking_events_{at:%Y%m%d}" for at in (ago(1800), NOW)}
    assert opened


def test_the_page_asks_for_its_figures_and_carries_nothing_inline(client):
    page = client.get("/live")
    figures = client.get("/live/figures")

    assert page.status_code == figures.status_code == 200
    assert 'data-from="live/figures"' in page.text
    assert "No event carries a time of the last half hour" in figures.text
    assert "unsafe-inline" not in page.headers["content-security-policy"]
    assert "style=" not in page.text + figures.text
    assert client.get("/static/live.js").status_code == client.get("/static/pages.css").status_code == 200
    assert {client.get(f"/static/{name}").status_code for name in ("nothing.css", "..%2fapp.py")} == {404}


def test_what_a_caller_says_is_escaped(database, client):
    named = turn("<script>alert(1)</script>", 0, at=ago(30), conversation={"program": "<b>PRIME</b>"})
    append(database, [named])

    text = client.get("/live/figures").text

    assert "<script>alert" not in text
    assert "&lt;b&gt;PRIME" in text


def test_without_postgres_the_figures_say_so(client, monkeypatch):
    monkeypatch.setenv("ML_PIPELINE_DASHBOARDS_DSN", "postgresql://ml_dashboards@127.0.0.1:1/none")

    answer = client.get("/live/figures")

    assert answer.status_code == 503
    assert "cannot reach Postgres" in answer.text
