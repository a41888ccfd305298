"""``ml-pipeline retraining``: what was asked for, how the last looks ended; and to ask by hand."""

import getpass
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from ml_pipeline.cli.store import Row
from ml_pipeline.cli.terminal import console
from ml_pipeline.database.engine import transaction
from ml_pipeline.settings import load_settings

NEWEST = 20

retraining = typer.Typer(invoke_without_command=True)


@retraining.callback()
def show(
    context: typer.Context,
    *,
    last: Annotated[int, typer.Option(help="How many requests and looks.", min=1, max=1_000)] = NEWEST,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Tell what was asked for and what came of it, and whether tasks need retraining."""
    if context.invoked_subcommand is not None:
        return
    from ml_pipeline.models.triggers import store  # and scikit-learn, a second that other commands need not wait

    with transaction() as tx:
        requests, looks = store.newest_requests(tx, last), store.newest_evaluations(tx, last)
    if as_json:
        document = {"requests": requests, "evaluations": looks}
        typer.echo(msgspec.json.format(msgspec.json.encode(document)).decode())
        return
    out = console()
    out.print(_requests(requests) if requests else "Nobody has asked for a retraining.")
    out.print(_looks(looks) if looks else "Nobody has looked yet whether a task needs retraining.")


@retraining.command()
def ask(
    task: Annotated[str, typer.Argument(help="A task, with its mode or without, or all.")],
    why: Annotated[str, typer.Option(help="The reason, kept with your name.")],
    start: Annotated[str | None, typer.Option("--from", help="Only conversations that started from then on.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Only conversations that started before.")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Train and judge, publish nothing.")] = False,
) -> None:
    """Ask for a retraining; the next look of request_retraining starts it, past cool-downs and budget."""
    from ml_pipeline.models.names import model_name
    from ml_pipeline.models.triggers import store
    from ml_pipeline.models.triggers.order import Form

    orders = Form(task, why, start, end, dry_run).orders(load_settings().tasks)
    with transaction() as tx:
        for order in orders:
            request = store.ask(tx, order, store.PERSON, getpass.getuser())
            typer.echo(f"{model_name(order.task)}: asked for as {request}")


@retraining.command()
def triggers(*, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Tell which triggers are in force, and which cannot be read."""
    from ml_pipeline.models.triggers.triggerbook import read_triggers

    book = read_triggers(load_settings().retraining_triggers)
    if as_json:
        document = {"triggers": list(book.triggers.values()), "unreadable": book.unreadable}
        typer.echo(msgspec.json.format(msgspec.json.encode(document)).decode())
        return
    table = Table(title="Triggers of retraining", title_justify="left")
    for column in ("trigger", "tasks", "cool-down", "asks when"):
        table.add_column(column, no_wrap=column != "asks when")
    for trigger in book.triggers.values():
        table.add_row(trigger.name, ", ".join(trigger.tasks), f"{trigger.cool_down_hours:g} h", trigger.description)
    console().print(table)
    for fault in book.unreadable.values():
        typer.echo(fault)


def _requests(found: list[Row]) -> Table:
    table = Table(title="Retraining asked for", title_justify="left")
    for column in ("asked (UTC)", "task", "by", "why", "state"):
        table.add_column(column, no_wrap=column != "why")
    for row in found:
        table.add_row(
            f"{row['requested_at']:%Y-%m-%d %H:%M}",
            f"{row['task']}.{row['mode']}",
            row["actor"],
            row["reason"] + _scope(row),
            _state(row),
        )
    return table


def _scope(row: Row) -> str:
    bounds = [
        f"{word} {row[name]:%Y-%m-%d %H:%M}" for word, name in (("from", "from_at"), ("to", "to_at")) if row[name]
    ]
    said = [*bounds, *(["dry run"] if row["is_dry_run"] else [])]
    return f" ({', '.join(said)})" if said else ""


def _state(row: Row) -> str:
    if row["state"] == "done":
        return f"{row['outcome']} {row['done_at']:%Y-%m-%d %H:%M}"
    if row["state"] == "taken":
        return f"run {row['attempts']} since {row['taken_at']:%Y-%m-%d %H:%M}"
    return "waits for a run" if row["accepted_at"] else "waits for its trigger"


def _looks(found: list[Row]) -> Table:
    table = Table(title="Whether a task needs retraining", title_justify="left")
    for column in ("since (UTC)", "task", "verdict", "looks", "because"):
        table.add_column(column, no_wrap=column != "because")
    for row in found:
        table.add_row(
            f"{row['since']:%Y-%m-%d %H:%M}",
            f"{row['task']}.{row['mode']}",
            row["verdict"],
            f"{row['looks']:,}",
            row["reason"],
        )
    return table
