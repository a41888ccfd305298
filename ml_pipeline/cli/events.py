"""``ml-pipeline events``: what became no fact, and why."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from ml_pipeline.cli import store
from ml_pipeline.cli.terminal import console
from ml_pipeline.database.engine import transaction

DAYS = 7

events = typer.Typer(no_args_is_help=True)


@events.callback()
def _about() -> None:
    """The log and what the projection makes of it."""


@events.command()
def rejected(
    *,
    since: Annotated[
        datetime | None, typer.Option(help=f"When it was seen, UTC; the last {DAYS} days by default.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Only this reason, as it is shown.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to list, the latest first.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Tell which events the door refused and which the projection cannot use, by reason, and list the latest."""
    seen_since = (since or datetime.now(UTC) - timedelta(days=DAYS)).replace(tzinfo=UTC)
    with transaction() as tx:
        counts = store.count_rejected(tx, seen_since, reason)
        latest = store.list_rejected(tx, seen_since, reason, limit)
    if as_json:
        document = {"since": seen_since, "counts": counts, "latest": latest}
        typer.echo(msgspec.json.format(msgspec.json.encode(document)).decode())
    elif counts:
        out = console()
        out.print(_by_reason(counts))
        out.print(_listed(latest))
    else:
        typer.echo(f"no event was rejected since {seen_since:%Y-%m-%d %H:%M} UTC{f' as {reason}' if reason else ''}")


def _by_reason(counts: Iterable[store.Row]) -> Table:
    table = Table(title="Rejected events by reason", title_justify="left")
    for column in ("refused by", "reason"):
        table.add_column(column, no_wrap=True)
    table.add_column("events", justify="right")
    table.add_column("latest", no_wrap=True)
    for row in counts:
        table.add_row(row["refused_by"], row["reason"], f"{row['events']:,}", f"{row['latest']:%Y-%m-%d %H:%M:%S}")
    return table


def _listed(latest: Iterable[store.Row]) -> Table:
    """Name each event by its id; one that the door could not read, by its writer and sequence."""
    table = Table(title="The latest of them", title_justify="left")
    for column in ("seen", "type", "reason", "event"):
        table.add_column(column, no_wrap=True)
    for row in latest:
        named = row["event_id"] or f"writer {row['writer']}, record {row['sequence']}"
        table.add_row(f"{row['seen_at']:%Y-%m-%d %H:%M:%S}", row["event_type"] or "unreadable", row["reason"], named)
    return table
