"""What docs/history.md shows can be typed."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ml_pipeline.cli import app
from ml_pipeline.jobs import ingest_events
from tests.integration.events import append, conversation_id, prediction, turn
from tests.integration.policy import bundle, execute, publish, rewrite

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "history.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^ml-pipeline (.*)$", GUIDE, re.MULTILINE)
STATEMENTS = re.findall(r"```sql\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture
def database(emptied_database):
    """A conversation and two versions as the guide names them, since before the time it asks about."""
    publish(emptied_database, (bundle("objection.anticipate/1"), "champion", 1))
    publish(emptied_database, (bundle("objection.anticipate/2"), "champion", 1))
    rewrite(
        emptied_database, "UPDATE model_rollouts SET since = '2026-01-01', until = '2026-02-01' WHERE until IS NOT NULL"
    )
    rewrite(emptied_database, "UPDATE model_rollouts SET since = '2026-02-01' WHERE until IS NULL")
    rewrite(emptied_database, "UPDATE decisions SET decided_at = '2026-01-01'")
    append(emptied_database, [turn("call 1", 2), prediction("call 1", 2)])
    ingest_events.run()
    return emptied_database


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_guide_answers(database, command):
    named = command.replace('"call 1"', conversation_id("call 1"))

    done = CliRunner().invoke(app, shlex.split(named))

    assert done.exit_code == 0, done.output or done.exception
    assert done.output


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_statement_of_the_guide_finds_what_was_so(database, statement):
    assert execute(database, statement, dsn=database.dashboards_dsn) is not None


def test_the_guide_has_what_is_tested_here():
    assert (len(COMMANDS), len(STATEMENTS)) == (6, 2)
