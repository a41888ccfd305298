"""From what stands in Postgres to a row per look and the requests that start a run."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest

from ml_pipeline.database.engine import transaction
from ml_pipeline.errors import TrainingError
from ml_pipeline.jobs import ingest_events
from ml_pipeline.jobs import request_retraining as job
from ml_pipeline.models.specification import Window
from ml_pipeline.models.triggers import store
from ml_pipeline.models.triggers.order import Form, Order, read_bounds
from ml_pipeline.vocabulary.tasks import DEFAULT_TASKS, NEEDS, OBJECTION
from tests.integration.events import after, append, label, prediction, rows, trust_all, turn

VERSION = "needs.detect/1"
NOW = datetime.now(UTC)


def learn(database, conversations: int = 30, *, wrong: bool = False) -> None:
    """Take in conversations of one customer turn, each answered by the champion and labelled by a person."""
    events = []
    for number in range(conversations):
        name, at = f"c{number}", after(hours=number)
        is_roi = number % 2 == 0
        probability = 0.9 if is_roi != wrong else 0.1
        answer = dict.fromkeys(NEEDS.labels, 0.01) | {"roi": probability}
        events += [
            turn(name, 0, at=at),
            prediction(name, 0, "needs", probabilities=answer, mode="detect", version=VERSION, at=at),
            label(name, "needs", ["roi"] if is_roi else [], number=0, at=after(60, hours=number)),
        ]
    append(database, events)
    ingest_events.run()
    trust_all(database)


def decide(database, verdict: str = "PROMOTE", *, days_ago: float = 9, serves: bool = True, **evidence: Any) -> None:
    """Record a gate of NEEDS; with ``serves`` its version is champion since."""
    figures = {name: {"value": 0.1, "low": 0.09, "high": 0.11} for name in ("log_loss", "ece")}
    kept = {
        "metrics": figures | {"macro_ap": {"value": 0.9, "low": 0.85, "high": 0.95}},
        "trained_until": after(days=-1).isoformat(),
        "dataset": {"conversations": 10, "specification": {"known_until": after(days=-1).isoformat()}},
    } | evidence
    decision = str(uuid.uuid4())
    rows(
        database,
        "INSERT INTO decisions VALUES (%(id)s, now() - %(ago)s, 'gate', 'needs', 'detect', %(version)s, %(verdict)s,"
        " 'r', %(evidence)s, 'a')",
        id=decision,
        ago=timedelta(days=days_ago),
        version=VERSION,
        verdict=verdict,
        evidence=psycopg2.extras.Json(kept),
    )
    if serves:
        rows(
            database,
            "INSERT INTO model_rollouts (task, mode, version, state, decision, since)"
            " VALUES ('needs', 'detect', %(version)s, 'champion', %(id)s, now() - %(ago)s)",
            id=decision,
            version=VERSION,
            ago=timedelta(days=days_ago),
        )


def looks(database, task: str = "needs") -> list[dict[str, Any]]:
    return rows(database, "SELECT * FROM trigger_evaluations WHERE task = %(task)s ORDER BY evaluated_at", task=task)


def requests(database) -> list[dict[str, Any]]:
    return rows(database, "SELECT * FROM retraining_requests ORDER BY requested_at, request")


def standing(task=NEEDS):
    with transaction() as tx:
        return store.standing(tx, task, NOW, Window(2.0, is_from_start=False))


def test_a_look_at_an_empty_database_leaves_a_quiet_row_per_task(emptied_database):
    counts = job.run(NOW)

    assert counts == {"quiet": 3, "unreadable": 0, "unknown_tasks": 0, "due": 0}
    (look,) = looks(emptied_database)
    assert (look["verdict"], look["request"]) == ("QUIET", None)
    assert {finding["trigger"] for finding in look["findings"]} >= {"weekly", "new_labels"}
    assert look["standing"]["new_labels"] == 0


def test_what_fires_is_asked_for_once_and_each_look_is_kept(emptied_database, monkeypatch):
    settings_with(monkeypatch, {"name": "new_labels", "min_conversations": 20})
    learn(emptied_database)

    first, second = job.run(NOW), job.run(NOW + timedelta(hours=1))

    assert (first["ask"], first["due"]) == (1, 1)
    assert (second["waiting"], second["due"]) == (1, 1)
    asked, waiting = looks(emptied_database)
    (request,) = requests(emptied_database)
    assert (asked["verdict"], waiting["verdict"]) == ("ASK", "WAITING")
    assert asked["request"] == request["request"]
    assert (request["source"], request["actor"], request["state"]) == ("trigger", "request_retraining", "open")
    assert request["reason"].startswith("new_labels: 30 labelled conversations")
    assert waiting["reason"].startswith("request_retraining asked at ")


def settings_with(monkeypatch, *triggers: dict[str, Any]) -> None:
    import msgspec

    from ml_pipeline.settings import load_settings

    settings = msgspec.structs.replace(load_settings(), retraining_triggers=triggers)
    monkeypatch.setattr(job, "load_settings", lambda: settings)


def test_evaluations_are_only_ever_added(emptied_database):
    job.run(NOW)

    for statement in ("UPDATE trigger_evaluations SET verdict = 'ASK'", "DELETE FROM trigger_evaluations"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege), transaction() as tx, tx.cursor() as cursor:
            cursor.execute(statement)


@pytest.mark.parametrize("statement", ["UPDATE decisions SET verdict = 'HOLD'", "DELETE FROM decisions"])
def test_decisions_are_only_ever_added(emptied_database, statement):
    decide(emptied_database)

    with pytest.raises(psycopg2.errors.InsufficientPrivilege), transaction() as tx, tx.cursor() as cursor:
        cursor.execute(statement)


def test_a_trigger_that_cannot_be_read_is_told_in_every_look_and_stops_no_other(emptied_database, monkeypatch):
    settings_with(monkeypatch, {"name": "weekly", "hour": 25}, {"name": "new_labels", "min_conversations": 20})
    learn(emptied_database)

    counts = job.run(NOW)

    assert (counts["unreadable"], counts["ask"]) == (1, 1)
    (look,) = looks(emptied_database)
    (broken,) = [finding for finding in look["findings"] if finding["state"] == "unreadable"]
    assert broken["headline"].startswith("retraining trigger weekly: Expected `int` <= 23 - at `$.hour` is 25")


def test_labels_that_a_gate_has_seen_are_not_new(emptied_database):
    learn(emptied_database)
    before = standing().new_labels
    decide(emptied_database, dataset={"conversations": 30, "specification": {"known_until": NOW.isoformat()}})

    assert (before, standing().new_labels) == (30, 0)
    assert standing(OBJECTION).new_labels == 0


def test_conversations_that_may_still_be_labelled_are_not_new_labels_yet(emptied_database):
    learn(emptied_database)

    with transaction() as tx:
        found = store.standing(tx, NEEDS, NOW, Window(9.5, is_from_start=False))

    assert 0 < found.new_labels < 30


def test_the_champion_is_measured_on_its_own_answers_to_closed_conversations(emptied_database):
    learn(emptied_database)
    decide(emptied_database)

    measured = standing().measured

    assert measured is not None
    assert measured.conversations == 30
    assert measured.figures["macro_ap"].value == 1.0
    assert measured.figures["log_loss"].value == pytest.approx(0.105, abs=0.001)


def test_hours_that_are_not_trusted_measure_nobody(emptied_database):
    learn(emptied_database)
    decide(emptied_database)
    rows(emptied_database, "UPDATE quality_verdicts SET state = 'held'")

    assert standing().measured is None


def test_a_champion_that_fails_on_later_conversations_is_retrained(emptied_database, monkeypatch):
    settings_with(monkeypatch, {"name": "log_loss_grown", "min_conversations": 20})
    learn(emptied_database, wrong=True)
    decide(emptied_database)

    job.run(NOW)

    (look,) = looks(emptied_database)
    assert look["verdict"] == "ASK"
    assert "log_loss_grown: log_loss of needs.detect/1 is 2.303 on 30 later conversations, 0.100" in look["reason"]
    (request,) = requests(emptied_database)
    assert request["priority"] == "high"


def test_a_flat_learning_curve_of_the_last_gate_says_what_would_help(emptied_database, monkeypatch):
    settings_with(monkeypatch, {"name": "new_labels", "min_conversations": 20}, {"name": "weekly", "disabled": True})
    learn(emptied_database)
    curve = [{"conversations": n, "value": 0.6, "low": 0.58, "high": 0.62} for n in (100, 200, 400)]
    decide(emptied_database, "HOLD", serves=False, learning_curve=curve)

    job.run(NOW)

    (look,) = looks(emptied_database)
    assert look["verdict"] == "WOULD NOT HELP"
    assert "truer labels" in look["reason"]
    assert requests(emptied_database) == []


def test_drift_is_told_with_what_it_costs_the_champion(emptied_database):
    decide(emptied_database)
    for kind, subject, evidence in (
        ("label", "needs roi", {"task": "needs", "reference_share": 0.1, "recent_share": 0.3}),
        ("label", "objection price", {"task": "objection", "reference_share": 0.1, "recent_share": 0.3}),
        ("performance", "needs", {"version": VERSION, "reference_mean": 0.3, "recent_mean": 0.5}),
        ("prediction", "needs roi by caller", {"version": "caller", "reference_mean": 0.1, "recent_mean": 0.5}),
        ("data", "turn", {"feature": "turn"}),
    ):
        rows(
            emptied_database,
            "INSERT INTO drift_checks VALUES (%(end)s - interval '7 days', %(end)s, %(end)s - interval '14 days',"
            " %(kind)s, %(subject)s, .3, 't', 1, .001, true, 'warning', 'Moved.', %(evidence)s, now())",
            end=NOW,
            kind=kind,
            subject=subject,
            evidence=psycopg2.extras.Json(evidence),
        )

    found = {drift.subject: (drift.impact, drift.because) for drift in standing().drifts}

    assert found == {
        "needs roi": (0.1537, "estimated from the share of the label"),
        "needs": (0.2, "measured on known truths"),
        "turn": (None, "nothing tells"),
    }


def test_what_an_agent_asked_is_accepted_when_its_time_has_come(emptied_database):
    decide(emptied_database, days_ago=0.5, trained_until=NOW.isoformat(), dataset={"conversations": 10})
    rows(emptied_database, "INSERT INTO retraining_requests VALUES (gen_random_uuid(), 'needs', 'detect', 'it fails')")

    job.run(NOW)
    held = requests(emptied_database)
    job.run(NOW + timedelta(days=1))

    assert [look["verdict"] for look in looks(emptied_database)] == ["COOLING DOWN", "ASK"]
    assert [each["accepted_at"] for each in held] == [None]
    assert all(each["accepted_at"] for each in requests(emptied_database))


def test_a_request_for_a_task_nobody_has_is_closed(emptied_database):
    rows(emptied_database, "INSERT INTO retraining_requests VALUES (gen_random_uuid(), 'mood', 'detect', 'why')")

    counts = job.run(NOW)

    assert (counts["unknown_tasks"], counts["due"]) == (1, 0)
    assert [each["outcome"] for each in requests(emptied_database)] == ["unknown_task"]


def ask(order: Order, source: str = store.PERSON) -> str:
    with transaction() as tx:
        return store.ask(tx, order, source, "ana")


def take(order: Order) -> str:
    retraining = str(uuid.uuid4())
    with transaction() as tx:
        store.take(tx, order, retraining)
    return retraining


def test_requests_of_one_task_and_interval_are_one_order_the_most_urgent_first(emptied_database):
    start = NOW - timedelta(days=30)
    ask(Order(OBJECTION, "why"))
    ask(Order(OBJECTION, "because"))
    ask(Order(NEEDS, "only lately", start))
    with transaction() as tx:
        store.ask(tx, Order(NEEDS, "at once"), store.PERSON, "ana", priority="high")
        orders = store.orders(tx, DEFAULT_TASKS)

    assert orders == [
        Order(NEEDS, "at once"),
        Order(OBJECTION, "because; why"),
        Order(NEEDS, "only lately", start),
    ]


def test_a_run_answers_only_what_is_about_the_same_interval(emptied_database):
    lately = Order(NEEDS, "only lately", NOW - timedelta(days=30))
    ask(Order(NEEDS, "all"))
    ask(lately)
    retraining = take(lately)
    with transaction() as tx:
        store.close(tx, retraining, "held")

    assert [(each["reason"], each["state"]) for each in requests(emptied_database)] == [
        ("all", "open"),
        ("only lately", "done"),
    ]


def test_a_run_that_was_overtaken_closes_nothing_that_a_later_one_took(emptied_database):
    order = Order(NEEDS, "why")
    ask(order)
    slow = take(order)
    ask(Order(NEEDS, "asked after the first had frozen its rows"))
    quick = take(order)
    with transaction() as tx:
        store.close(tx, slow, "promoted")
    after_slow = {each["state"] for each in requests(emptied_database)}
    with transaction() as tx:
        store.close(tx, quick, "held")

    assert after_slow == {"taken"}
    assert {(each["state"], each["outcome"]) for each in requests(emptied_database)} == {("done", "held")}


def test_what_a_dead_run_took_is_due_again_an_hour_later_for_each_attempt(emptied_database):
    order = Order(NEEDS, "why")
    ask(order)
    due = []
    for attempt in (1, 2):
        take(order)
        for hours in (0.5, 1.5, 2.5):
            with transaction() as tx:
                due.append((attempt, hours, store.count_due(tx, datetime.now(UTC) + timedelta(hours=hours))))

    assert due == [(1, 0.5, 0), (1, 1.5, 1), (1, 2.5, 1), (2, 0.5, 0), (2, 1.5, 0), (2, 2.5, 1)]


def test_a_form_asks_of_every_task_it_means():
    orders = Form(start="2026-03-01", dry_run=True).orders(DEFAULT_TASKS)

    assert [order.task for order in orders] == list(DEFAULT_TASKS)
    assert orders[0].start == datetime(2026, 3, 1, tzinfo=UTC)
    assert all(order.is_dry_run for order in orders)
    assert Form().orders([NEEDS]) == [Order(NEEDS, "asked for")]
    assert Order(NEEDS, "").interval is None


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("yesterday", None, "start = 'yesterday' is no time; give one like 2026-03-01"),
        ("2026-03-02", "2026-03-01", "ends before it starts: 2026-03-02 to 2026-03-01; give an end later"),
        ("2026-03-01", "2026-03-01", "ends before it starts"),
        (None, 7, "end = 7 is no time"),
    ],
)
def test_an_interval_that_is_none_is_refused_with_what_was_given(start, end, message):
    with pytest.raises(TrainingError, match=message):
        read_bounds(start, end)
