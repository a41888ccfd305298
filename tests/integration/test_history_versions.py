"""What became of a version, who served at a past moment, and that the record of both is only ever added to."""

import json
from datetime import UTC, datetime
from typing import Any

import psycopg2
import pytest
from typer.testing import CliRunner

from ml_pipeline.cli import app
from ml_pipeline.database.engine import transaction
from ml_pipeline.errors import HistoryError
from ml_pipeline.models.history import store
from ml_pipeline.models.publication import settle
from ml_pipeline.models.rollouts.terms import AT_ONCE, Terms, terms_of
from ml_pipeline.models.store import Decided
from ml_pipeline.online.predicting.bundle import encode
from ml_pipeline.settings import Settings
from ml_pipeline.vocabulary.approvals import ApprovalKind, ApprovalRule
from ml_pipeline.vocabulary.tasks import OBJECTION
from ml_pipeline.vocabulary.verdicts import GateVerdict
from tests.integration.events import rows
from tests.integration.policy import bundle, execute, kill

FIRST, SECOND, THIRD = (f"objection.anticipate/{number}" for number in (1, 2, 3))
IN_STEPS = terms_of(Settings())


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def command():
    runner = CliRunner(env={"COLUMNS": "200", "LOGNAME": "olivia"})
    return lambda *arguments: runner.invoke(app, arguments)


def evidence(version: str, champion: str | None) -> dict[str, Any]:
    """What a gate says, as docs/models.md lists it."""
    against = champion or "prior"
    return {
        "primary_metric": "macro_ap",
        "metrics": {"macro_ap": {"value": 0.512, "low": 0.48, "high": 0.544}},
        "gains": {against: {"value": 0.031, "low": 0.004}},
        "checks": [
            {"name": "auc", "opponent": against, "value": 0.01, "bound": -0.005, "limit": -0.02, "holds": True},
            {"name": "ece", "opponent": against, "value": 0.05, "bound": 0.05, "limit": 0.03, "holds": False},
        ],
        "slices": [
            {"name": "language=es", "opponent": against, "examples": 90, "ours": 0.4, "theirs": 0.5,
             "gain": {"value": -0.1, "low": -0.2}, "is_worse": True},
        ],
        "budget": {"error": 0.1, "gates": 26, "number": 3, "alpha": 0.1 / 26, "spent": 0.3 / 26},
        "champion": champion,
        "trained_until": "2026-03-01T00:00:00+00:00",
        "age_days": 2.5,
        "dataset": {"digest": f"rows of {version}", "learnt_digest": version, "recipe_digest": "r1",
                    "asked_because": "weekly"},
        "run_id": "run1",
        "model_sha256": "abc",
    }  # fmt: skip


def judge(
    version: str, champion: str | None, verdict: GateVerdict = GateVerdict.PROMOTE, terms: Terms = AT_ONCE
) -> None:
    decided = Decided(verdict, f"{version} is judged", evidence(version, champion), version)
    with transaction() as tx:
        settle(tx, OBJECTION, decided, encode(bundle(version)), terms)


def states(database) -> list[tuple[str, str, float]]:
    found = rows(
        database,
        "SELECT version, state, traffic_share FROM model_rollouts WHERE until IS NULL AND state NOT IN"
        " ('retired', 'rejected') ORDER BY version",
    )
    return [(row["version"], row["state"], row["traffic_share"]) for row in found]


def test_a_champion_tells_the_figures_who_asked_and_every_step(database, command):
    judge(FIRST, None)

    told = command("explain", "promotion", FIRST)

    assert told.exit_code == 0
    lines = [line.strip() for line in told.output.splitlines()]
    assert lines[0].startswith(f"{FIRST}: champion since ")
    assert f"bundle {encode(bundle(FIRST))[0]}," in told.output
    assert "macro_ap 0.5120 (0.4800 to 0.5440)" in lines
    assert "against prior: gain +0.0310, at least +0.0040: surely better" in lines
    assert "1 of 2 guards hold" in lines
    assert "ece against prior fails: 0.05 where the limit is 0.03" in lines
    assert "1 of 1 slices surely worse" in lines
    assert "language=es against prior: 0.400 where 0.500 is theirs" in lines
    assert "gate 3 of the task: it spent 0.385% of error, it and the 25 before it 1.15% of 10%" in lines
    assert "asked for: weekly" in lines
    assert any("gate PROMOTE by retrain_models, by which it became candidate" in line for line in lines)
    assert any("rollout CHAMPION by retrain_models, by which it became champion" in line for line in lines)


def test_one_that_was_held_tells_why_it_was_not_promoted(database, command):
    judge(FIRST, None)
    judge(SECOND, FIRST, GateVerdict.HOLD)

    told = command("explain", "promotion", SECOND)

    assert told.output.startswith(f"{SECOND}: not promoted, rejected since ")
    assert f"(retrain_models: {SECOND} is judged)" in told.output


def test_one_that_had_too_little_data_tells_so_though_it_never_held_a_state(database, command):
    judge(FIRST, None, GateVerdict.NOT_ENOUGH_DATA)

    told = command("explain", "promotion", FIRST)

    assert told.output.startswith(f"{FIRST}: not promoted, NOT ENOUGH DATA: {FIRST} is judged\n")


def test_one_that_waits_for_a_person_tells_what_it_waits_for_and_then_who_answered(database, command):
    terms = Terms(AT_ONCE.rules, approvals=(ApprovalRule((ApprovalKind.FIRST,)),))
    judge(FIRST, None, terms=terms)

    waiting = command("explain", "promotion", FIRST)
    execute(database, "SELECT answer_approval(approval, true, 'ana', 'go') FROM approvals")
    answered = command("explain", "promotion", FIRST)

    assert f"{FIRST}: not champion yet, it waits for a person until " in waiting.output
    assert "granted by ana" in answered.output


def test_one_that_was_rolled_back_tells_by_whom_and_that_it_is_barred(database, command):
    judge(FIRST, None)
    judge(SECOND, FIRST)
    execute(database, "SELECT rollback_task('objection', 'anticipate', NULL, 'it harms', 'ada')")

    told = command("explain", "promotion", SECOND)
    before = command("explain", "promotion", FIRST)

    assert told.output.startswith(f"{SECOND}: champion no more, barred, rolled_back since ")
    assert "(ada: it harms)" in told.output
    assert f"{FIRST} serves since then" in told.output
    assert f"rollback ROLLBACK about {SECOND} by ada, by which it became champion" in before.output
    assert before.output.startswith(f"{FIRST}: champion since ")


@pytest.mark.parametrize("version", ["objection.anticipate/9", "", "rubbish"])
def test_a_version_of_which_nothing_was_decided_is_said_so(database, command, version):
    done = command("explain", "promotion", version)

    assert isinstance(done.exception, HistoryError)
    assert f"nothing was ever decided of {version!r}" in str(done.exception)


def test_a_program_reads_the_whole_story(database, command):
    judge(FIRST, None)

    told = json.loads(command("explain", "promotion", FIRST, "--json").output)

    assert told["holds"]["state"] == "champion"
    assert [decision["kind"] for decision in told["decisions"]] == ["gate", "rollout"]
    assert told["decisions"][0]["evidence"]["gains"] == {"prior": {"value": 0.031, "low": 0.004}}


def test_every_past_moment_is_told_as_it_stood(database):
    stood: list[tuple[datetime, list[tuple[str, str, float]]]] = []

    def note() -> None:
        stood.append((execute(database, "SELECT clock_timestamp()"), states(database)))

    judge(FIRST, None)
    note()
    judge(SECOND, FIRST, terms=IN_STEPS)
    note()
    execute(database, "SELECT rollback_task('objection', 'anticipate', NULL, 'slow', 'ada')")
    note()
    execute(database, "SELECT lift_bar(%s, 'mended', 'ada')", SECOND)
    note()
    judge(THIRD, FIRST)
    note()
    execute(database, "SELECT rollback_task('objection', 'anticipate', 'caller', 'all of it', 'ada')")
    note()

    with transaction() as tx:
        told = [store.moment(tx, at, "objection", datetime.now(UTC)).tasks for at, _ in stood]

    assert [
        sorted((row["version"], row["state"], row["share"]) for row in one["objection.anticipate"]) for one in told
    ] == [held for _, held in stood]
    assert [len(held) for _, held in stood] == [1, 2, 2, 1, 1, 1]


def test_at_the_very_moment_of_a_change_the_new_one_holds_alone(database):
    judge(FIRST, None)
    judge(SECOND, FIRST)
    (changed,) = rows(database, "SELECT since FROM model_rollouts WHERE version = %(v)s AND until IS NULL", v=SECOND)

    with transaction() as tx:
        (held,) = store.moment(tx, changed["since"], "", datetime.now(UTC)).tasks["objection.anticipate"]

    assert (held["version"], held["state"]) == (SECOND, "champion")


def test_the_command_tells_champion_share_bars_and_switches(database, command):
    judge(FIRST, None)
    judge(SECOND, FIRST, terms=IN_STEPS)
    kill(database, "challengers", subject="objection")

    told = command("as-of", datetime.now(UTC).isoformat(), "--task", "objection.anticipate")

    lines = told.output.splitlines()
    assert lines[0].startswith("As of ")
    assert lines[1].startswith(f"objection.anticipate: {FIRST} champion since ")
    assert lines[2].startswith(f"objection.anticipate: {SECOND} shadow since ")
    assert lines[3].startswith("switched off: challengers of objection since ")


def test_where_nobody_was_champion_the_caller_is_named(database, command):
    judge(FIRST, None)
    execute(database, "SELECT rollback_task('objection', 'anticipate', NULL, 'slow', 'ada')")

    with transaction() as tx:
        found = store.moment(tx, execute(database, "SELECT clock_timestamp()"), "", datetime.now(UTC))

    assert [(row["version"], row["state"]) for row in found.tasks["objection.anticipate"]] == [(FIRST, "rolled_back")]


@pytest.mark.parametrize(
    ("when", "task", "said"),
    [
        ("2020-01-01", "", "the record holds nothing of 2020-01-01 00:00:00 UTC: it begins at "),
        ("2020-01-01T00:00:00+02:00", "", "the record holds nothing of 2019-12-31 22:00:00 UTC"),
        ("2999-01-01", "", "is still to come"),
        (None, "weather", "no model of 'weather' had been judged by "),
    ],
)
def test_a_moment_of_which_nothing_is_known_is_said_so(database, command, when, task, said):
    judge(FIRST, None)

    done = command("as-of", when or datetime.now(UTC).isoformat(), "--task", task)

    assert isinstance(done.exception, HistoryError)
    assert said in str(done.exception)


def test_a_record_that_is_empty_says_that_nothing_was_decided(database, command):
    done = command("as-of", "2026-01-01")

    assert "nothing was ever decided; only the caller served" in str(done.exception)


@pytest.mark.parametrize("when", ["yesterday", "", "2026-13-01"])
def test_what_is_no_time_is_refused(database, command, when):
    assert command("as-of", when).exit_code == 2


@pytest.mark.parametrize("role", ["owner", "jobs", "dashboards", "capture"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE decisions SET reason = 'better'",
        "UPDATE decisions SET decided_at = now() - interval '1 day'",
        "DELETE FROM decisions",
        "TRUNCATE decisions CASCADE",
        "UPDATE policy_snapshots SET document = '{}'",
        "DELETE FROM policy_snapshots",
        "DELETE FROM model_rollouts",
        "TRUNCATE model_rollouts",
        "UPDATE model_rollouts SET until = NULL WHERE until IS NOT NULL",
        "UPDATE model_rollouts SET until = now() - interval '1 day' WHERE until IS NOT NULL",
        "UPDATE model_rollouts SET since = now() - interval '1 day', until = now() WHERE until IS NULL",
        "UPDATE model_rollouts SET version = 'objection.anticipate/9' WHERE until IS NULL",
        "UPDATE model_rollouts SET traffic_share = 0.5 WHERE until IS NULL",
    ],
)
def test_what_was_decided_is_rewritten_by_nobody(database, role, statement):
    judge(FIRST, None)
    record = "SELECT d::text, r::text FROM decisions AS d FULL JOIN model_rollouts AS r USING (decision)"
    before = rows(database, record)

    with pytest.raises((psycopg2.errors.InsufficientPrivilege, psycopg2.errors.IntegrityConstraintViolation)):
        execute(database, statement, dsn=getattr(database, f"{role}_dsn"))

    assert rows(database, record) == before


def test_a_state_is_closed_once(database):
    judge(FIRST, None)

    execute(database, "UPDATE model_rollouts SET until = now() WHERE until IS NULL", dsn=database.jobs_dsn)

    with pytest.raises(psycopg2.errors.IntegrityConstraintViolation, match="a state is closed once"):
        execute(database, "UPDATE model_rollouts SET until = now()", dsn=database.jobs_dsn)
