"""Letting held hours pass: the command, the function behind it, and who reads the hours then. No judgement needed."""

import json

import psycopg2
import pytest
from typer.testing import CliRunner

from ml_pipeline.cli import app
from ml_pipeline.database.engine import transaction
from ml_pipeline.jobs import check_data_quality, ingest_events, roll_up_metrics
from ml_pipeline.quality import store
from ml_pipeline.quality.verdict import HourVerdict
from ml_pipeline.vocabulary.interval import Interval
from tests.integration.events import START, after, append, prediction, rows, turn

HELD = (after(0), after(hours=2))


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["quality", *words])
    return done.exit_code, done.output


def told(hour) -> str:
    return f"{hour:%Y-%m-%dT%H}"


def states(database) -> dict[str, str]:
    return {told(row["hour"]): row["state"] for row in rows(database, "SELECT hour, state FROM quality_verdicts")}


@pytest.fixture
def held(database):
    """Four hours with a call each: held, trusted, held, pending."""
    for hours in range(4):
        append(database, [turn("a", hours, at=after(hours=hours)), prediction("a", hours, at=after(hours=hours))])
    ingest_events.run()
    rows(database, "UPDATE quality_verdicts SET state = 'trusted', judged_at = now()")
    rows(
        database,
        "UPDATE quality_verdicts SET state = 'held', reason = 'turns.no_phone', held_since = now() - interval '1 hour' "
        "WHERE hour = ANY (%(hours)s)",
        hours=list(HELD),
    )
    rows(database, "UPDATE quality_verdicts SET state = 'pending' WHERE hour = %(hour)s", hour=after(hours=3))
    return database


def test_a_release_lets_the_held_hours_of_an_interval_pass_and_is_a_decision(held):
    code, said = run("release", f"{told(after(0))}/{told(after(hours=4))}", "--why", "the number is ours")

    assert code == 0, said
    assert states(held) == {
        told(after(0)): "released",
        told(after(hours=1)): "trusted",
        told(after(hours=2)): "released",
        told(after(hours=3)): "pending",
    }
    assert f"{told(after(hours=1))} trusted, {told(after(hours=3))} pending" in said
    (decision,) = rows(held, "SELECT * FROM decisions")
    assert (decision["kind"], decision["verdict"], decision["reason"]) == ("release", "RELEASE", "the number is ours")
    assert decision["actor"]
    assert decision["decision"] in said
    assert [hour["held_for"] for hour in decision["evidence"]["hours"]] == ["turns.no_phone"] * 2


def test_a_release_is_no_news_for_agents(held):
    run("release", told(after(0)), "--why", "the number is ours")

    assert [row["kind"] for row in rows(held, "SELECT kind FROM decisions")] == ["release"]
    assert rows(held, "SELECT * FROM facade_decisions") == []


def test_released_hours_are_rolled_up_and_wake_who_reads_them_until_they_are(held):
    rows(held, "UPDATE quality_verdicts SET state = 'trusted' WHERE state = 'pending'")
    roll_up_metrics.run()
    assert rows(held, "SELECT DISTINCT hour FROM metric_rollups WHERE hour = ANY (%(h)s)", h=list(HELD)) == []

    run("release", f"{START:%Y-%m-%d}", "--why", "checked by hand")

    rows(held, "DELETE FROM changed_hours WHERE consumer NOT IN ('quality', 'rollups')")
    assert check_data_quality.run()["hours_released"] == len(HELD)
    roll_up_metrics.run()
    found = rows(held, "SELECT DISTINCT hour FROM metric_rollups WHERE hour = ANY (%(h)s) ORDER BY 1", h=list(HELD))
    assert [row["hour"] for row in found] == list(HELD)
    assert check_data_quality.run()["hours_released"] == 0


@pytest.mark.parametrize(
    ("interval", "why", "complaint"),
    [
        (told(after(hours=1)), "so", f"{told(after(hours=1))} trusted"),
        (told(after(hours=3)), "so", f"{told(after(hours=3))} pending"),
        ("2020-02-02", "so", "no hour there has facts"),
        (told(after(0)), " ", "say why"),
        ("yesterday", "so", "neither a day nor a whole hour"),
        ("2026-11-01T10:30", "so", "neither a day nor a whole hour"),
        ("2026-11-31", "so", "day"),
        ("2026-11-02/2026-11-01", "so", "ends before it starts"),
        ("2026-11-02/2026-11-02", "so", "holds no hour"),
    ],
)
def test_what_cannot_be_released_is_refused_and_named(held, interval, why, complaint):
    before = states(held)

    code, said = run("release", interval, "--why", why)

    assert code != 0
    assert complaint in " ".join(said.replace("│", " ").split())
    assert states(held) == before
    assert rows(held, "SELECT FROM decisions") == []


def test_an_hour_whose_facts_changed_since_they_were_looked_at_is_not_released(held):
    with transaction() as tx:
        verdicts = store.verdicts(tx, Interval(after(0), after(hours=4)))
    looked_at = {row["hour"]: row["facts_version"] for row in verdicts if row["state"] == "held"}
    append(held, [turn("b", 0, at=HELD[1])])
    ingest_events.run()
    rows(held, "UPDATE quality_verdicts SET state = 'held', reason = 'turns.no_card' WHERE hour = %(h)s", h=HELD[1])

    with transaction() as tx:
        answer = store.release(tx, looked_at, reason="it was fine", actor="ana")

    assert answer["status"] == "refused"
    assert [(each["hour"][:13], each["state"]) for each in answer["refused"]] == [(told(HELD[1]), "changed")]
    assert {state for hour, state in states(held).items() if hour in map(told, HELD)} == {"held"}
    assert rows(held, "SELECT FROM decisions") == []


def test_a_released_hour_is_judged_again_once_its_facts_change(held):
    run("release", told(HELD[0]), "--why", "it is fine")

    append(held, [turn("a", 9, at=HELD[0])])
    ingest_events.run()

    assert states(held)[told(HELD[0])] == "pending"


def test_a_verdict_reached_before_a_release_does_not_undo_it(held):
    run("release", told(HELD[0]), "--why", "it is fine")

    (known,) = rows(held, "SELECT facts_version FROM quality_verdicts WHERE hour = %(h)s", h=HELD[0])
    with transaction() as tx:
        counts = store.record_verdicts(
            tx, [HourVerdict(HELD[0], known["facts_version"], "turns.no_phone")], after(days=1)
        )

    assert counts == {"hours_trusted": 0, "hours_held": 0}
    assert states(held)[told(HELD[0])] == "released"


def test_an_hour_is_held_since_it_was_first_held_until_it_is_trusted(held):
    (before,) = rows(held, "SELECT held_since, facts_version FROM quality_verdicts WHERE hour = %(h)s", h=HELD[0])

    def judge(reason: str | None) -> None:
        with transaction() as tx:
            store.record_verdicts(tx, [HourVerdict(HELD[0], before["facts_version"], reason)], after(days=20))

    judge("turns.no_card")
    again = rows(held, "SELECT held_since, reason FROM quality_verdicts WHERE hour = %(h)s", h=HELD[0])
    judge(None)
    trusted = rows(held, "SELECT held_since, reason FROM quality_verdicts WHERE hour = %(h)s", h=HELD[0])

    assert again == [{"held_since": before["held_since"], "reason": "turns.no_card"}]
    assert trusted == [{"held_since": None, "reason": None}]


def test_pages_may_release_and_agents_may_not(held):
    release = "SELECT release_hours(ARRAY[%s::timestamptz], ARRAY[1::bigint], 'why', 'ana')"

    with psycopg2.connect(held.dashboards_dsn) as connection, connection.cursor() as cursor:
        cursor.execute(release, (HELD[0],))
        (answer,) = cursor.fetchone() or ({},)
    with (
        psycopg2.connect(held.capture_dsn) as connection,
        connection.cursor() as cursor,
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
    ):
        cursor.execute(release, (HELD[1],))

    assert answer["status"] == "released"


def test_the_status_tells_what_is_held_since_when_and_why(held):
    rows(
        held,
        "INSERT INTO quality_results (judged_at, window_start, window_end, table_name, expectation, severity, "
        "has_passed, observed, failing_events) VALUES (now(), now(), now(), 'turns', 'no_phone', 'critical', false, "
        """'{"unexpected_count": 2}', ARRAY['00000000-0000-4000-8000-0000000000aa'::uuid])""",
    )

    code, said = run("status")
    _, document = run("status", "--json")

    assert code == 0
    assert "hours: 2 held, 1 pending, 1 trusted" in said
    assert f"oldest pending: {told(after(hours=3))}, waiting since" in said
    assert f"held: {told(HELD[0])} since" in said
    assert "failed, critical: turns.no_phone: unexpected_count 2, 00000000-0000-4000-8000-0000000000aa" in said
    found = json.loads(document)
    assert found["hours"] == {"held": 2, "pending": 1, "trusted": 1}
    assert [hour["reason"] for hour in found["held"]] == ["turns.no_phone"] * 2
    assert found["failed_checks"][0]["failing_events"] == ["00000000-0000-4000-8000-0000000000aa"]


def test_the_status_of_an_empty_database_says_so(database):
    code, said = run("status")

    assert (code, said) == (0, "hours: none has facts yet\n")
