"""``ml-pipeline as-of``: who was champion, tried and held back at any past moment."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from ml_pipeline.cli.terminal import console
from ml_pipeline.database.engine import transaction
from ml_pipeline.models.history import store
from ml_pipeline.models.history.store import Moment, Row

WORDS = {"rolled_back": "barred"}


def _moment(given: str) -> datetime:
    try:
        when = datetime.fromisoformat(given)
    except ValueError:
        raise typer.BadParameter(f"{given!r} is no time; say 2026-03-01 or 2026-03-01T12:30:00") from None
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


def as_of(
    when: Annotated[
        datetime,
        typer.Argument(parser=_moment, metavar="WHEN", help="2026-03-01T12:30; UTC, unless it tells its zone."),
    ],
    *,
    task: Annotated[str, typer.Option(help="Only this task: objection, or objection.detect.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Tell who was champion, who was tried with which share, and who was held back, at a past moment."""
    with transaction() as tx:
        found = store.moment(tx, when, task, datetime.now(UTC))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    out = console()
    for line in _told(found):
        out.print(Text(line))


def _told(found: Moment) -> Iterator[str]:
    policy = found.policy
    of = f", policy {policy['epoch']}.{policy['n']} of {policy['published_at']:%Y-%m-%d %H:%M:%S}" if policy else ""
    yield f"As of {found.at:%Y-%m-%d %H:%M:%S} UTC{of}"
    for task, held in found.tasks.items():
        if not any(row["state"] == "champion" for row in held):
            yield f"{task}: nobody was champion, the caller answered"
        for row in held:
            yield f"{task}: {_held(row)}"
    for switch in found.off:
        of = f" of {switch['subject']}" if switch["subject"] else ""
        why = f"({switch['actor']}: {switch['reason']})"
        yield f"switched off: {switch['name']}{of} since {switch['set_at']:%Y-%m-%d %H:%M:%S} {why}"


def _held(row: Row) -> str:
    share = f" of {row['share']:.0%}" if row["state"] in ("canary", "holdback") else ""
    until = f", until {row['until']:%Y-%m-%d %H:%M:%S}" if row["until"] else ""
    word = WORDS.get(row["state"], row["state"])
    why = f"({row['actor']}: {row['reason']})"
    return f"{row['version']} {word}{share} since {row['since']:%Y-%m-%d %H:%M:%S}{until} {why}"
