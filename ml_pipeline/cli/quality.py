"""``ml-pipeline quality``: how the hours stand before the gate, and letting held ones pass."""

import getpass
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from textwrap import shorten
from typing import Annotated, Any

import typer

from ml_pipeline.database.engine import transaction
from ml_pipeline.quality import store
from ml_pipeline.quality.store import Row
from ml_pipeline.vocabulary.interval import Interval

quality = typer.Typer(no_args_is_help=True, help="How the hours stand before the quality gate.")

SHOWN = 20
SHOWN_EVENTS = 3
SHOWN_CHARACTERS = 200
_BOUND = re.compile(r"(\d{4}-\d{2}-\d{2})(?:T(\d{2})(?::00)?Z?)?")


@quality.command()
def status(*, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Tell how many hours are trusted, held, released and pending, which are held and why, and what failed last."""
    with transaction() as tx:
        found = store.read_status(tx)
    typer.echo(json.dumps(found, default=_in_words, indent=2) if as_json else "\n".join(_told(found)))


@quality.command()
def release(
    interval: Annotated[str, typer.Argument(help="2026-11-01, 2026-11-01T10 or 2026-11-01T10/2026-11-01T14 in UTC.")],
    why: Annotated[str, typer.Option(help="The reason, kept with your name.")] = "",
) -> None:
    """Let the held hours of an interval pass: what reads trusted hours takes them at its next run.

    A day, an hour, or two of either with a slash between: from the first up to, not including, the second. What is not
    held there stays as it is and is named; where nothing is held, nothing happens. An hour whose facts change later is
    judged again.
    """
    hours = read_interval(interval)
    if not why.strip():
        raise typer.BadParameter(f'say why: ml-pipeline quality release {interval} --why "…"')
    with transaction() as tx:
        known = store.verdicts(tx, hours)
        held = {row["hour"]: row["facts_version"] for row in known if row["state"] == "held"}
        if not held:
            _refuse(interval, ((row["hour"], row["state"]) for row in known))
        answer = store.release(tx, held, reason=why.strip(), actor=getpass.getuser())
    if answer["status"] == "refused":
        _refuse(interval, ((datetime.fromisoformat(each["hour"]), each["state"]) for each in answer["refused"]))
    typer.echo(f"released: {', '.join(map(_hour, held))}; decision {answer['decision_id']}")
    if others := [row for row in known if row["state"] != "held"]:
        typer.echo(f"left as they are: {_list((row['hour'], row['state']) for row in others)}")


def read_interval(text: str) -> Interval:
    """Return the whole hours that ``text`` names: a day, an hour, or two of them with a slash between.

    >>> str(read_interval("2026-11-01T10/2026-11-02").start)
    '2026-11-01 10:00:00+00:00'

    Raises:
        typer.BadParameter: if it names none.
    """
    first, slash, last = text.partition("/")
    try:
        start, length = _bound(first)
        found = Interval(start, _bound(last)[0] if slash else start + length)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text}: {error}; write 2026-11-01, 2026-11-01T10 or 2026-11-01T10/2026-11-01T14, in UTC"
        ) from error
    if found.start == found.end:
        raise typer.BadParameter(f"{text} holds no hour: its end does not belong to it")
    return found


def _bound(text: str) -> tuple[datetime, timedelta]:
    """Return when the day or hour ``text`` begins, and how long it is."""
    read = _BOUND.fullmatch(text)
    if read is None:
        raise ValueError(f"{text!r} is neither a day nor a whole hour")
    day, hour = read.groups()
    start = datetime.fromisoformat(f"{day}T{hour or '00'}:00:00").replace(tzinfo=UTC)
    return start, timedelta(hours=1) if hour else timedelta(days=1)


def _refuse(interval: str, states: Iterable[tuple[datetime, str]]) -> None:
    found = _list(states) or "no hour there has facts"
    typer.echo(f"nothing released in {interval}: {found}; `ml-pipeline quality status` tells what is held", err=True)
    raise typer.Exit(1)


def _told(found: Row) -> Iterator[str]:
    hours, held, oldest = found["hours"], found["held"], found["oldest_pending"]
    yield "hours: " + (", ".join(f"{count:,} {state}" for state, count in hours.items()) or "none has facts yet")
    if oldest["hour"]:
        since = f", waiting since {oldest['waiting_since']:%Y-%m-%d %H:%M:%S}" if oldest["waiting_since"] else ""
        yield f"oldest pending: {_hour(oldest['hour'])}{since}"
    for row in held[:SHOWN]:
        since = f" since {row['held_since']:%Y-%m-%d %H:%M}" if row["held_since"] else ""
        yield f"held: {_hour(row['hour'])}{since} for {row['reason']}"
    if len(held) > SHOWN:
        yield f"… and {len(held) - SHOWN:,} more; --json tells them all"
    for row in found["failed_checks"]:
        counts = [shorten(f"{name} {value}", width=SHOWN_CHARACTERS) for name, value in row["observed"].items()]
        told = counts + row["failing_events"][:SHOWN_EVENTS]
        yield f"failed, {row['severity']}: {row['table_name']}.{row['expectation']}: {', '.join(told)}"


def _list(states: Iterable[tuple[datetime, str]]) -> str:
    return ", ".join(f"{_hour(hour)} {state}" for hour, state in states)


def _hour(hour: datetime) -> str:
    return f"{hour:%Y-%m-%dT%H}"


def _in_words(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
