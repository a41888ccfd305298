"""Builders for the outcome ledger: what was told of a call days after it, learnt as it happened."""

from datetime import datetime
from typing import Any

from ml_pipeline.jobs import ingest_events
from tests.integration.events import Event, HasDsn, after, append, label, outcome, turn

CALL = after(0)


def day(number: float) -> datetime:
    """Return a moment so many days after the call."""
    return after(600, days=number)


def replayed(event: Event) -> Event:
    """Return the event as a replay tells it: there, what happens is learnt as it happens."""
    return event | {"source": "simulated"}


def call(name: str = "a") -> Event:
    return replayed(turn(name, 0, at=CALL))


def ended(result: str = "completed", *, on: float = 0, name: str = "a", **told: Any) -> Event:
    """Return an outcome, told so many days after the call."""
    return replayed(outcome(name, result, at=day(on), **told))


def said(
    labels: list[str], *, on: float, source: str = "crm", name: str = "a", task: str = "conversion", **told: Any
) -> Event:
    """Return a label, told so many days after the call."""
    return replayed(label(name, task, labels, source=source, at=day(on), **told))


def project(database: HasDsn, *events: Event) -> dict[str, int]:
    append(database, events)
    return ingest_events.run()
