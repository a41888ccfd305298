"""What `ml-pipeline outcomes` tells people: the ledger of a conversation, and what waits for one."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from typer.testing import CliRunner

from ml_pipeline.cli import app
from ml_pipeline.online.ids import conversation_uuid
from tests.integration.events import Event, event_id, rows
from tests.integration.ledger import call, day, ended, project, said


def told(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["outcomes", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def document(*arguments: str) -> dict[str, Any]:
    return dict(json.loads(told(*arguments, "--json")))


def of(name: str, event: Event) -> Event:
    """Return the event of the conversation the agent calls ``name``, under the id the agent's side gives it."""
    return event | {"conversation_id": conversation_uuid(name), "client_id": name}


def late(event: Event, days: float) -> Event:
    """Return the event so many days ago."""
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=days)
    return event | {"id": event_id(at), "timestamp": at.isoformat()}


def sold_and_refunded(database) -> tuple[Event, Event]:
    wrong = of("call-7", ended("converted", conversion_value=7200, currency="USD"))
    right = of("call-7", said(["sold"], on=2, value=2700, supersedes=wrong["id"]))
    project(database, of("call-7", call()), wrong, right, of("call-7", said(["sold"], on=5, value=-700)))
    return wrong, right


def test_the_ledger_of_a_conversation_is_shown_by_the_agents_own_name_for_it(database):
    wrong, _ = sold_and_refunded(database)

    shown = told("show", "call-7")

    assert f"Started {day(0) - timedelta(minutes=10):%Y-%m-%d %H:%M}, the agent's call-7." in shown
    assert "As of now: sold, worth 2,700.00 USD, 2,000.00 of it left, says crm." in shown
    assert "sold 2,700.00, in place of 1" in shown
    assert wrong["id"] in shown
    assert [word for word in ("superseded", "outdone", "holds") if word in shown] == ["superseded", "outdone", "holds"]


def test_the_ledger_is_shown_as_it_was_known(database):
    wrong, right = sold_and_refunded(database)

    first = document("show", "call-7", "--as-of", f"{day(1):%Y-%m-%d}")
    second = document("show", conversation_uuid("call-7"), "--as-of", f"{day(3):%Y-%m-%dT%H:%M:%S}")

    assert [(row["event_id"], row["holds"]) for row in first["told"]] == [(wrong["id"], True)]
    assert float(first["sale"]["net_value"]) == 7200
    assert [(row["event_id"], row["holds"]) for row in second["told"]] == [(wrong["id"], False), (right["id"], True)]
    assert second["told"][0]["superseded_at"] is not None
    assert float(second["sale"]["net_value"]) == 2700


def test_a_conversation_nobody_knows_is_said_to_be_unknown(database):
    done = CliRunner().invoke(app, ["outcomes", "show", "call-8"])

    assert done.exit_code == 2
    assert "nothing is known of call-8" in done.output


def test_what_waits_for_its_conversation_is_shown_and_what_waited_in_vain_apart(database):
    project(
        database,
        late(of("b", ended("converted", name="b", conversion_value=90)), 2),
        late(of("c", said(["sold"], on=0, name="c")), 40),
    )

    found = document("unmatched")

    assert [(row["kind"], row["source"], row["is_expired"], row["truths"]) for row in found["counts"]] == [
        ("outcome", "agent", False, 1),
        ("label", "crm", True, 1),
    ]
    assert [(row["client_id"], row["said"]) for row in found["waiting"]] == [("b", "converted")]
    assert "2 d 0 h" in told("unmatched")


def test_the_queue_empties_itself_when_the_conversation_comes(database):
    before = project(database, of("b", ended("converted", conversion_value=90)))
    rows(database, "DELETE FROM changed_hours")

    counts = project(database, of("b", call()))

    assert (before["unmatched"], before["matched_late"]) == (1, 0)
    assert (counts["unmatched"], counts["matched_late"]) == (0, 1)
    assert told("unmatched") == "every outcome and label has its conversation\n"
    assert document("show", "b")["sale"]["is_sold"] is True
    reopened = rows(database, "SELECT DISTINCT hour FROM changed_hours WHERE consumer = 'rollups'")
    assert [row["hour"] for row in reopened] == [day(0) - timedelta(minutes=10)]
