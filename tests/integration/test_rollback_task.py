"""A rollback: one transaction in Postgres, no Airflow, no MLflow, and agents that follow."""

import json
import threading
from typing import Any

import psycopg2
import pytest

from ml_pipeline import MLPipelineService
from ml_pipeline.online.predicting.bundle import encode
from tests.integration.events import rows
from tests.integration.policy import bundle, execute, publish, rewrite, versions_once
from tests.online_agent import NOWHERE, messages

FIRST, SECOND, THIRD = (f"objection.anticipate/{number}" for number in (1, 2, 3))
ANSWER = {"objections": {"objections": [{"type": "price", "confidence": 0.7}]}}


@pytest.fixture(autouse=True)
def unshipped(monkeypatch):
    monkeypatch.setenv("ML_PIPELINE_SHIPPER", "none")
    monkeypatch.setenv("ML_PIPELINE_PREDICT_BUDGET_MS", "5000")


def promote(database, *versions: str) -> None:
    """Let these versions have been champion one after the other."""
    for version in versions:
        publish(database, (bundle(version), "champion", 1))


def roll_back(database, to_version=None, *, dsn=None, task="objection"):
    return execute(
        database, "SELECT rollback_task(%s, 'anticipate', %s, 'it fails', 'tester')", task, to_version, dsn=dsn
    )


def lift(database, version: str) -> dict[str, Any]:
    return dict(execute(database, "SELECT lift_bar(%s, 'mended', 'tester')", version, dsn=database.jobs_dsn))


def now(database) -> dict[str, str]:
    """The state each version is in."""
    return {row["version"]: row["state"] for row in rows(database, "SELECT * FROM model_rollouts WHERE until IS NULL")}


def told(database) -> list[tuple[str, str]]:
    """What the policy in force says."""
    document = execute(database, "SELECT document FROM policy")
    return [(model["version"], model["state"]) for model in document["models"]]


async def test_an_agent_serves_the_version_before_once_its_champion_is_rolled_back(database):
    publish(database, (bundle(FIRST, sure_of="need"), "champion", 1))
    publish(database, (bundle(SECOND, sure_of="trust"), "champion", 1))

    async with MLPipelineService() as service:
        await versions_once(service, {SECOND})
        done = await service.model_updater.rollback_model("objection")
        await versions_once(service, {FIRST})
        result = await service.process_conversation_predictions("c", messages("hi"), {}, ANSWER)

    assert (done["status"], done["from_version"], done["to_version"]) == ("rolled_back", SECOND, FIRST)
    assert result["served_by"] == {"objection": FIRST}
    assert result["predictions"]["objections"]["primary_objection"] == "need"
    assert now(database) == {FIRST: "champion", SECOND: "rolled_back"}


def test_a_rollback_is_a_decision_with_who_and_why(database):
    promote(database, FIRST, SECOND)

    done = roll_back(database)

    (decision,) = rows(database, "SELECT * FROM decisions WHERE kind = 'rollback'")
    assert (str(decision["decision"]), decision["version"]) == (done["decision_id"], SECOND)
    assert (decision["reason"], decision["actor"], decision["verdict"]) == ("it fails", "tester", "ROLLBACK")
    assert decision["evidence"] == {
        "from": SECOND,
        "to": FIRST,
        "left": [{"version": SECOND, "state": "champion", "traffic_share": 1, "becomes": "rolled_back"}],
        "trained_until": None,
    }
    assert execute(database, "SELECT n FROM policy") == done["policy_n"]


def test_a_rollback_done_twice_is_done_once(database):
    promote(database, FIRST, SECOND, THIRD)

    answers = [roll_back(database) for _ in range(3)]

    assert [answer["status"] for answer in answers] == ["rolled_back", "unchanged", "unchanged"]
    assert answers[1]["to_version"] == SECOND
    assert told(database) == [(SECOND, "champion")]
    assert execute(database, "SELECT count(*) FROM decisions WHERE kind = 'rollback'") == 1


def test_many_that_roll_back_at_once_roll_back_once(database):
    promote(database, FIRST, SECOND, THIRD)
    answers = []

    def roll():
        answers.append(roll_back(database, dsn=database.capture_dsn))

    threads = [threading.Thread(target=roll) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answer["status"] for answer in answers) == ["rolled_back"] + ["unchanged"] * 5
    assert told(database) == [(SECOND, "champion")]


def test_what_is_promoted_after_a_rollback_can_be_rolled_back_to_who_served_before(database):
    promote(database, FIRST, SECOND)
    roll_back(database)
    _promote_as_a_retraining_does(database, THIRD)

    done = roll_back(database)

    assert (done["from_version"], done["to_version"]) == (THIRD, FIRST)
    assert now(database)[SECOND] == "rolled_back"


def test_a_first_champion_is_rolled_back_to_the_caller(database):
    promote(database, FIRST)

    done = roll_back(database)
    again = roll_back(database)

    assert (done["status"], done["from_version"], done["to_version"]) == ("rolled_back", FIRST, "caller")
    assert (again["status"], again["reason"]) == ("unchanged", "nobody but the caller serves")
    assert told(database) == []
    assert now(database) == {FIRST: "rolled_back"}


@pytest.mark.parametrize(
    ("to_version", "status", "serves"),
    [
        (FIRST, "rolled_back", FIRST),
        ("caller", "rolled_back", None),
        (THIRD, "unchanged", THIRD),
        ("objection.anticipate/9", "refused", THIRD),
        ("", "refused", THIRD),
    ],
)
def test_a_named_version_serves_if_it_ever_was_champion(database, to_version, status, serves):
    promote(database, FIRST, SECOND, THIRD)

    done = roll_back(database, to_version)

    assert done["status"] == status
    assert told(database) == ([(serves, "champion")] if serves else [])
    assert (done["reason"] == "it fails") == (status == "rolled_back")


def test_a_barred_version_is_refused_until_a_person_lifts_the_bar(database):
    promote(database, FIRST, SECOND)
    roll_back(database)

    refused = roll_back(database, SECOND)
    lifted = lift(database, SECOND)
    done = roll_back(database, SECOND)

    assert refused["status"] == "refused"
    assert "objection.anticipate/2 is barred since" in refused["reason"]
    assert refused["reason"].endswith("UTC (tester: it fails); lift the bar first")
    assert (lifted["status"], lifted["reason"]) == ("lifted", "mended")
    assert (done["from_version"], done["to_version"]) == (FIRST, SECOND)
    assert now(database) == {SECOND: "champion", FIRST: "rolled_back"}


def test_a_lifted_bar_is_a_decision_and_lets_the_version_rest(database):
    promote(database, FIRST, SECOND)
    roll_back(database)

    lifted = lift(database, SECOND)
    again = lift(database, SECOND)

    (decision,) = rows(database, "SELECT * FROM decisions WHERE kind = 'bar'")
    assert str(decision["decision"]) == lifted["decision_id"]
    assert (decision["version"], decision["verdict"]) == (SECOND, "LIFTED")
    assert (decision["reason"], decision["actor"]) == ("mended", "tester")
    assert again["status"] == "unchanged"
    assert now(database) == {SECOND: "retired", FIRST: "champion"}


@pytest.mark.parametrize(
    ("version", "because", "reason"),
    [("weather/1", "mended", "no version is called weather/1"), (SECOND, " ", "say who and why")],
)
def test_a_bar_is_lifted_by_its_name_and_with_a_reason(database, version, because, reason):
    promote(database, FIRST, SECOND)
    roll_back(database)

    done = execute(database, "SELECT lift_bar(%s, %s, 'tester')", version, because)

    assert (done["status"], done["reason"]) == ("refused", reason)
    assert now(database)[SECOND] == "rolled_back"


@pytest.mark.parametrize("state", ["shadow", "canary"])
def test_a_challenger_that_runs_is_taken_out_first_and_the_champion_stays(database, state):
    promote(database, FIRST)
    publish(database, (bundle(SECOND), "champion", 1), (bundle(THIRD), state, 0.05))

    done = roll_back(database)

    assert (done["status"], done["from_version"], done["to_version"]) == ("rolled_back", THIRD, SECOND)
    assert told(database) == [(SECOND, "champion")]
    assert now(database) == {SECOND: "champion", THIRD: "rolled_back"}


def test_many_that_see_a_challenger_fail_at_once_leave_the_champion_alone(database):
    promote(database, FIRST)
    publish(database, (bundle(SECOND), "champion", 1), (bundle(THIRD), "canary", 0.05))

    answers = [roll_back(database) for _ in range(4)]

    assert [answer["status"] for answer in answers] == ["rolled_back"] + ["unchanged"] * 3
    assert "tester took objection.anticipate/3 out 0 seconds ago, objection.anticipate/2 serves" in answers[1]["reason"]
    assert told(database) == [(SECOND, "champion")]


@pytest.mark.parametrize(("seconds", "status"), [(590, "unchanged"), (610, "rolled_back")])
def test_ten_minutes_after_its_challenger_a_champion_goes_without_a_name_for_who_follows(database, seconds, status):
    promote(database, FIRST)
    publish(database, (bundle(SECOND), "champion", 1), (bundle(THIRD), "canary", 0.05))
    rewrite(database, "UPDATE model_rollouts SET since = since - interval '1 day' WHERE until IS NULL")
    roll_back(database)
    rewrite(database, "UPDATE decisions SET decided_at = decided_at - %s * interval '1 second'", seconds)

    done = roll_back(database)

    assert (done["status"], done["to_version"]) == (status, FIRST if status == "rolled_back" else SECOND)


def test_a_promotion_after_a_challenger_was_taken_out_can_be_undone_at_once(database):
    promote(database, FIRST)
    publish(database, (bundle(FIRST), "champion", 1), (bundle(THIRD), "canary", 0.05))
    roll_back(database)
    _promote_as_a_retraining_does(database, SECOND)

    done = roll_back(database)

    assert (done["from_version"], done["to_version"]) == (SECOND, FIRST)


def test_naming_the_champion_takes_the_challenger_out_and_naming_it_again_changes_nothing(database):
    promote(database, FIRST)
    publish(database, (bundle(SECOND), "champion", 1), (bundle(THIRD), "canary", 0.05))

    done, again = roll_back(database, SECOND), roll_back(database, SECOND)

    assert (done["status"], done["from_version"], done["to_version"]) == ("rolled_back", THIRD, SECOND)
    assert (again["status"], again["reason"]) == ("unchanged", "it serves already")
    assert now(database) == {SECOND: "champion", THIRD: "rolled_back"}


@pytest.mark.parametrize("to_version", [FIRST, "caller"])
def test_a_named_version_ends_the_challenger_without_barring_it(database, to_version):
    promote(database, FIRST)
    publish(database, (bundle(SECOND), "champion", 1), (bundle(THIRD), "shadow", 0))

    done = roll_back(database, to_version)

    assert (done["from_version"], done["to_version"]) == (SECOND, to_version)
    assert now(database) == {SECOND: "rolled_back", THIRD: "retired"} | (
        {FIRST: "champion"} if to_version == FIRST else {}
    )
    assert told(database) == ([(FIRST, "champion")] if to_version == FIRST else [])


def test_a_challenger_cannot_be_named_as_who_shall_serve(database):
    publish(database, (bundle(FIRST), "champion", 1), (bundle(SECOND), "canary", 0.05))

    done = roll_back(database, SECOND)

    assert (done["status"], done["reason"].startswith(f"{SECOND} was never champion")) == ("refused", True)
    assert now(database) == {FIRST: "champion", SECOND: "canary"}


def test_the_holdback_serves_again_when_the_promotion_over_it_is_undone(database):
    promote(database, FIRST, SECOND)
    publish(database, (bundle(THIRD), "champion", 1), (bundle(SECOND), "holdback", 0.1))

    done = roll_back(database)

    assert (done["from_version"], done["to_version"]) == (THIRD, SECOND)
    assert now(database) == {SECOND: "champion", THIRD: "rolled_back"}
    assert told(database) == [(SECOND, "champion")]


def test_a_holdback_retires_when_an_older_version_is_named(database):
    promote(database, FIRST, SECOND)
    publish(database, (bundle(THIRD), "champion", 1), (bundle(SECOND), "holdback", 0.1))

    roll_back(database, FIRST)

    assert now(database) == {FIRST: "champion", SECOND: "retired", THIRD: "rolled_back"}


def test_a_challenger_beside_a_holdback_is_taken_out_alone(database):
    promote(database, FIRST)
    publish(database, (bundle(SECOND), "champion", 1), (bundle(FIRST), "holdback", 0.1), (bundle(THIRD), "shadow", 0))

    roll_back(database)

    assert now(database) == {FIRST: "holdback", SECOND: "champion", THIRD: "rolled_back"}


def test_a_rollback_needs_who_and_why(database):
    promote(database, FIRST)

    done = execute(database, "SELECT rollback_task('objection', 'anticipate', NULL, ' ', 'tester')")

    assert (done["status"], done["reason"]) == ("refused", "say who and why")
    assert told(database) == [(FIRST, "champion")]


def test_a_version_that_was_never_champion_is_refused(database):
    promote(database, FIRST)
    with psycopg2.connect(database.owner_dsn) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO model_rollouts (task, mode, version, state, decision)"
            " SELECT task, mode, %s, 'rejected', decision FROM model_rollouts",
            (SECOND,),
        )
    connection.close()

    done = roll_back(database, SECOND)

    assert (done["status"], "never champion" in done["reason"]) == ("refused", True)


def test_another_task_stays_as_it_is(database):
    promote(database, FIRST)

    done = roll_back(database, task="needs")

    assert done["status"] == "unchanged"
    assert told(database) == [(FIRST, "champion")]


def test_what_a_version_learnt_from_goes_along_when_it_serves_again(database):
    promote(database, FIRST)
    learnt = json.dumps({"trained_until": "2026-03-01T00:00:00+00:00"})
    rewrite(database, "UPDATE decisions SET evidence = %s", learnt)
    promote(database, SECOND)

    roll_back(database)

    (decision,) = rows(database, "SELECT evidence FROM decisions WHERE kind = 'rollback'")
    assert decision["evidence"]["trained_until"] == "2026-03-01T00:00:00+00:00"


def test_a_failure_half_way_changes_nothing(database):
    promote(database, FIRST, SECOND)
    execute(database, "ALTER TABLE policy_snapshots ADD CHECK (n < 3)")

    with pytest.raises(psycopg2.errors.CheckViolation):
        roll_back(database)

    assert now(database) == {SECOND: "champion"}
    assert execute(database, "SELECT count(*) FROM decisions WHERE kind = 'rollback'") == 0


async def test_without_postgres_a_rollback_is_honestly_not_done(database, tmp_path):
    async with MLPipelineService(dsn=NOWHERE, spool=tmp_path / "elsewhere") as service:
        away = await service.model_updater.rollback_model("objection")
        unknown = await service.model_updater.rollback_model("weather")

    assert (away["status"], away["task"], away["to_version"]) == ("degraded", "objection", None)
    assert "nothing is known to be rolled back" in away["reason"]
    assert (unknown["status"], unknown["reason"]) == ("refused", "no task is called weather")


def _promote_as_a_retraining_does(database, version: str) -> None:
    """Retire who serves and let ``version`` serve; whoever was rolled back stays so."""
    digest, content = encode(bundle(version))
    with psycopg2.connect(database.owner_dsn) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO decisions (kind, task, mode, version, verdict, reason, evidence, actor)"
            " VALUES ('gate', 'objection', 'anticipate', %s, 'PROMOTE', 'better', '{}', 'test') RETURNING decision",
            (version,),
        )
        (decision,) = cursor.fetchone() or (None,)
        cursor.execute("INSERT INTO model_bundles VALUES (%s, 'objection', 'anticipate', %s, %s)",
                       (digest, version, content))  # fmt: skip
        cursor.execute("UPDATE model_rollouts SET until = now() WHERE state = 'champion' AND until IS NULL")
        cursor.execute(
            "INSERT INTO model_rollouts (task, mode, version, state, traffic_share, digest, decision)"
            " VALUES ('objection', 'anticipate', %s, 'champion', 1, %s, %s)",
            (version, digest, decision),
        )
        cursor.execute("SELECT publish_policy()")
    connection.close()
