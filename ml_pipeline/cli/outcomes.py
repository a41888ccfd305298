"""``ml-pipeline outcomes``: what was told of a conversation, and what waits for its conversation."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from ml_pipeline.cli import store
from ml_pipeline.cli.store import Row
from ml_pipeline.cli.terminal import console
from ml_pipeline.database.engine import transaction
from ml_pipeline.online.ids import conversation_uuid
from ml_pipeline.settings import load_settings

outcomes = typer.Typer(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


@outcomes.callback()
def _about() -> None:
    """What turned out to be true, who said so, and when we learnt it."""


@outcomes.command()
def show(
    conversation: Annotated[str, typer.Argument(help="The id of a conversation, as the agent or as we name it.")],
    *,
    as_of: Annotated[datetime | None, typer.Option(help="As it was known then, UTC; now by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell what was learnt of a conversation and when, who said it, what it superseded, and what holds."""
    moment = as_of.replace(tzinfo=UTC) if as_of else None
    conversation_id = conversation_uuid(conversation.strip())
    with transaction() as tx:
        sale = store.sale_of(tx, conversation_id, moment)
        told = store.truths_told(tx, conversation_id, moment)
    if not told and not sale:
        until = f" by {_time(moment)}" if moment else ""
        raise typer.BadParameter(
            f"nothing is known of {conversation}{until}; `ml-pipeline status` tells what is on its way"
        )
    if as_json:
        _write({"conversation_id": conversation_id, "as_of": moment, "sale": sale, "told": told})
        return
    out = console()
    out.print("\n".join(_in_short(sale, moment)), highlight=False, markup=False)
    out.print(_ledger(told) if told else "Nobody has told an outcome or a label.")


@outcomes.command()
def unmatched(
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many to list, the longest waiting first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Tell which outcomes and labels wait for their conversation, and how many have waited in vain.

    They are matched by themselves once the conversation comes. What has waited longer than the attribution window has
    expired: it is counted apart, and matched all the same if its conversation still comes.
    """
    now = datetime.now(UTC)
    expired_before = now - timedelta(days=load_settings().attribution_days)
    with transaction() as tx:
        counts = store.count_unmatched(tx, expired_before)
        waiting = store.list_unmatched(tx, expired_before, limit)
    if as_json:
        _write({"expired_before": expired_before, "counts": counts, "waiting": waiting})
    elif counts:
        console().print(_counted(counts, now), *([_waiting(waiting, now)] if waiting else []))
    else:
        typer.echo("every outcome and label has its conversation")


def _in_short(sale: Row | None, moment: datetime | None) -> Iterator[str]:
    if sale is None:
        yield "No conversation: what was told waits for it."
        return
    named = f", the agent's {sale['client_id']}" if sale["client_id"] else ""
    yield f"Started {_time(sale['started_at'])}{named}."
    standing = {None: "nothing is known of its sale", True: "sold", False: "not sold"}[sale["is_sold"]]
    money = ""
    if sale["value"]:
        money = f", worth {_money(sale['value'], sale['currency'])}"
        money += "" if sale["net_value"] == sale["value"] else f", {_money(sale['net_value'], '')} of it left"
    said = f", says {sale['label_source']}" if sale["label_source"] else ""
    yield f"As of {_time(moment) if moment else 'now'}: {standing}{money}{said}."
    learnt = {name: sale[f"{name}_learnt_at"] for name in ("lost", "sold", "refunded")}
    if any(learnt.values()):
        yield f"Learnt: {', '.join(f'{name} {_time(at)}' for name, at in learnt.items() if at)}."


def _ledger(told: Sequence[Row]) -> Table:
    """Number what was told, so that what stands in place of something else can name it."""
    numbers = {row["event_id"]: number for number, row in enumerate(told, start=1)}
    table = Table(title="What was told, in the order we learnt it", title_justify="left")
    for column in ("", "learnt", "happened", "who", "about", "said", "then"):
        table.add_column(column, no_wrap=True)
    for row in told:
        about = row["task"] if row["turn"] is None else f"{row['task']}, turn {row['turn']}"
        number = str(numbers[row["event_id"]])
        said = f"{_said(row, numbers)}\n[dim]{row['event_id']}[/dim]"
        table.add_row(number, _time(row["learnt_at"]), _time(row["at"]), row["source"], about, said, _standing(row))
    return table


def _said(row: Row, numbers: Mapping[str, int]) -> str:
    said = escape(row["outcome"] or ", ".join(row["labels"]) or "none")
    if row["value"] is not None:
        said += f" {_money(row['value'], row['currency'])}"
    if row["supersedes"]:
        said += f", in place of {numbers.get(row['supersedes'], 'what we do not have')}"
    return said


def _standing(row: Row) -> str:
    if row["superseded_at"]:
        return f"superseded {_time(row['superseded_at'])}"
    return "holds" if row["holds"] else "outdone"


def _counted(counts: Iterable[Row], now: datetime) -> Table:
    table = Table(title="Outcomes and labels without a conversation", title_justify="left")
    for column in ("what", "from", "state"):
        table.add_column(column, no_wrap=True)
    for column in ("how many", "longest"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in counts:
        state = "expired" if row["is_expired"] else "waits"
        table.add_row(row["kind"], row["source"], state, f"{row['truths']:,}", _age(now - row["oldest"]))
    return table


def _waiting(waiting: Iterable[Row], now: datetime) -> Table:
    table = Table(title="The longest waiting", title_justify="left")
    for column in ("waits", "what", "from", "said", "conversation"):
        table.add_column(column, no_wrap=True)
    for row in waiting:
        named = row["client_id"] or row["conversation_id"]
        table.add_row(_age(now - row["learnt_at"]), row["kind"], row["source"], escape(row["said"]), escape(named))
    return table


def _money(value: Decimal, currency: str | None) -> str:
    return f"{value:,.2f} {currency or ''}".rstrip()


def _age(waited: timedelta) -> str:
    hours = max(waited, timedelta()) // timedelta(hours=1)
    return f"{hours // 24} d {hours % 24} h"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _write(document: dict[str, Any]) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(document)).decode())
