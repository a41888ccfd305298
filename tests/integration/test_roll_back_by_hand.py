"""A rollback from the command line and from Airflow's form, and what retraining makes of a bar."""

import pytest
from typer.testing import CliRunner

from ml_pipeline.cli import app
from ml_pipeline.database.engine import transaction
from ml_pipeline.errors import RolloutError
from ml_pipeline.jobs import roll_back as job
from ml_pipeline.models.publication import settle
from ml_pipeline.models.store import Decided
from ml_pipeline.vocabulary.tasks import OBJECTION
from ml_pipeline.vocabulary.verdicts import GateVerdict
from tests.integration.events import rows
from tests.integration.policy import bundle, execute, publish

FIRST, SECOND, THIRD, FOURTH = (f"objection.anticipate/{number}" for number in (1, 2, 3, 4))


@pytest.fixture
def command():
    runner = CliRunner(env={"LOGNAME": "olivia", "COLUMNS": "200"})
    return lambda *arguments: runner.invoke(app, arguments)


@pytest.fixture
def database(emptied_database):
    return emptied_database


def serving(database) -> dict[str, str]:
    return {row["version"]: row["state"] for row in rows(database, "SELECT * FROM model_rollouts WHERE until IS NULL")}


def test_a_person_rolls_back_from_the_command_line_and_lifts_the_bar(database, command):
    publish(database, (bundle(FIRST), "champion", 1))
    publish(database, (bundle(SECOND), "champion", 1))

    done = command("rollback", "objection", "--why", "angry customers")
    listed = command("rollback")
    again = command("rollback", "objection", "--why", "angry customers")
    lifted = command("lift-bar", SECOND, "--why", "mended")

    assert (done.exit_code, again.exit_code, lifted.exit_code) == (0, 0, 0)
    assert done.output.splitlines() == [
        f"{FIRST} serves; in force in every agent within ten seconds",
        f"{SECOND} is barred until somebody lifts that: ml-pipeline lift-bar {SECOND} --why …",
    ]
    champion, bar = listed.output.splitlines()
    assert champion.startswith(f"{FIRST}       champion since ")
    assert bar.startswith(f"{SECOND} is barred since ")
    assert bar.endswith("(olivia: angry customers)")
    assert again.output.startswith(f"nothing changed: {FIRST} serves since a rollback")
    assert lifted.output == f"{SECOND} is barred no more\n"
    acts = rows(
        database, "SELECT kind, actor, reason FROM decisions WHERE kind IN ('rollback', 'bar') ORDER BY decided_at"
    )
    assert [tuple(act.values()) for act in acts] == [
        ("rollback", "olivia", "angry customers"),
        ("bar", "olivia", "mended"),
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rollback", "objection"), "--why"),
        (("rollback", "objection", "--why", "  "), "--why"),
        (("lift-bar", "objection.anticipate/9", "--why", "x"), "no version is called objection.anticipate/9"),
    ],
)
def test_what_is_misspelt_or_without_a_reason_changes_nothing(database, command, arguments, said):
    publish(database, (bundle(FIRST), "champion", 1))

    done = command(*arguments)

    assert done.exit_code == 2
    assert said in done.output
    assert serving(database) == {FIRST: "champion"}


@pytest.mark.parametrize(
    ("task", "version", "said"),
    [
        ("weather", None, "no task called 'weather'; name one of objection.anticipate"),
        ("objection", FOURTH, f"objection.anticipate was not rolled back: {FOURTH} was never champion"),
    ],
)
def test_a_form_that_names_what_is_not_there_fails_and_says_what_is(database, task, version, said):
    publish(database, (bundle(FIRST), "champion", 1))

    with pytest.raises(RolloutError, match=said):
        job.run(task, "it fails", "airflow", version)

    assert serving(database) == {FIRST: "champion"}


def test_the_form_undoes_the_newest_change_in_the_name_of_who_filled_it_in(database):
    publish(database, (bundle(FIRST), "champion", 1), (bundle(SECOND), "canary", 0.05))

    done = job.run(task="objection.anticipate", version="", why="slow", actor="ada")

    assert (done["from_version"], done["to_version"]) == (SECOND, FIRST)
    (decision,) = rows(database, "SELECT actor FROM decisions WHERE kind = 'rollback'")
    assert decision["actor"] == "ada"


def judged(version: str, *, learnt: str, recipe: str, rows_digest: str) -> Decided:
    dataset = {"digest": rows_digest, "learnt_digest": learnt, "recipe_digest": recipe}
    evidence = {"dataset": dataset, "champion": FIRST, "metrics": {}, "trained_until": "2026-03-01T00:00:00+00:00"}
    return Decided(GateVerdict.PROMOTE, "surely better", evidence, version)


def bundled(version: str) -> tuple[str, bytes]:
    from ml_pipeline.online.predicting.bundle import encode

    return encode(bundle(version))


def tried(decided: Decided) -> GateVerdict:
    with transaction() as tx:
        return settle(tx, OBJECTION, decided, bundled(decided.version)).verdict


def test_retraining_does_not_bring_a_barred_version_back_under_another_number(database):
    publish(database, (bundle(FIRST), "champion", 1))
    assert tried(judged(SECOND, learnt="l1", recipe="r1", rows_digest="d1")) is GateVerdict.PROMOTE
    execute(database, "SELECT rollback_task('objection', 'anticipate', NULL, 'it harms', 'ada')")

    again = tried(judged(THIRD, learnt="l1", recipe="r1", rows_digest="d2"))

    assert again is GateVerdict.HOLD
    assert serving(database) == {FIRST: "champion", SECOND: "rolled_back", THIRD: "rejected"}
    (decision,) = rows(database, "SELECT reason, evidence FROM decisions WHERE version = %(v)s", v=THIRD)
    assert decision["reason"].startswith(
        f"BARRED: it learnt from the same rows by the same recipe as another; {SECOND} is barred since "
    )
    assert "(ada: it harms)" in decision["reason"]
    assert decision["evidence"]["barred"] == SECOND


@pytest.mark.parametrize(("learnt", "recipe"), [("l2", "r1"), ("l1", "r2")])
def test_other_rows_or_another_recipe_may_try(database, learnt, recipe):
    publish(database, (bundle(FIRST), "champion", 1))
    tried(judged(SECOND, learnt="l1", recipe="r1", rows_digest="d1"))
    execute(database, "SELECT rollback_task('objection', 'anticipate', NULL, 'it harms', 'ada')")

    assert tried(judged(THIRD, learnt=learnt, recipe=recipe, rows_digest="d2")) is GateVerdict.PROMOTE


def test_a_lifted_bar_lets_the_same_be_trained_again(database):
    publish(database, (bundle(FIRST), "champion", 1))
    tried(judged(SECOND, learnt="l1", recipe="r1", rows_digest="d1"))
    execute(database, "SELECT rollback_task('objection', 'anticipate', NULL, 'it harms', 'ada')")
    execute(database, "SELECT lift_bar(%s, 'the data were mended', 'ada')", SECOND)

    assert tried(judged(THIRD, learnt="l1", recipe="r1", rows_digest="d2")) is GateVerdict.PROMOTE
