"""``ml-pipeline alerts``: what needs somebody, by which rules, and who sees to it."""

import getpass
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from ml_pipeline.alerts import store
from ml_pipeline.alerts.rulebook import Rulebook, read_rules
from ml_pipeline.cli.terminal import console
from ml_pipeline.database.engine import transaction
from ml_pipeline.settings import load_settings

SHORT = 8
"""Characters of an id that are shown; ``ack`` takes them."""

alerts = typer.Typer(invoke_without_command=True)


@alerts.callback()
def show(
    context: typer.Context,
    *,
    with_resolved: Annotated[bool, typer.Option("--all", help="The resolved ones too, at most 500.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Tell which alerts are open, the worst first."""
    if context.invoked_subcommand is not None:
        return
    with transaction() as tx:
        found = store.list_alerts(tx, with_resolved=with_resolved)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
    elif found:
        console().print(_table(found))
    else:
        typer.echo("no alert is open")


@alerts.command()
def rules(*, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Tell which rules are in force, and which cannot be read."""
    book = read_rules(load_settings().alert_rules)
    if as_json:
        document = {"rules": list(book.rules.values()), "unreadable": book.unreadable}
        typer.echo(msgspec.json.format(msgspec.json.encode(document)).decode())
    else:
        console().print(_catalogue(book))
        for fault in book.unreadable.values():
            typer.echo(fault)


@alerts.command()
def ack(
    alert: Annotated[str, typer.Argument(help="The id of an open alert, or how it begins.")],
    why: Annotated[str, typer.Option(help="What you know or do, kept with your name.")],
) -> None:
    """Note that you see to an alert. It stays open until its rule is quiet."""
    with transaction() as tx:
        found = store.find_open(tx, alert)
        if len(found) != 1:
            raise typer.BadParameter(f"{alert}: {'no open alert begins' if not found else 'several alerts begin'} so")
        answer = store.acknowledge(tx, found[0], actor=getpass.getuser(), because=why)
    if answer["status"] == "refused":
        raise typer.BadParameter(answer["reason"])
    already = "already " if answer["status"] == "unchanged" else ""
    typer.echo(f"{found[0][:SHORT]} {already}acknowledged by {answer['acknowledged_by']}: {answer['reason']}")


def _table(found: list[store.Row]) -> Table:
    table = Table(title="Alerts", title_justify="left")
    for column in ("id", "severity", "rule", "what", "since", "state"):
        table.add_column(column, no_wrap=column != "what")
    for each in found:
        table.add_row(
            each["alert"][:SHORT],
            each["severity"],
            each["rule"],
            each["headline"],
            f"{each['opened_at']:%Y-%m-%d %H:%M}",
            _state(each),
        )
    return table


def _state(alert: store.Row) -> str:
    if alert["resolved_at"]:
        return f"resolved {alert['resolved_at']:%Y-%m-%d %H:%M}: {alert['resolution']}"
    return f"{alert['acknowledged_by']} sees to it" if alert["acknowledged_at"] else "open"


def _catalogue(book: Rulebook) -> Table:
    table = Table(title="Alert rules", title_justify="left")
    for column in ("rule", "kind", "severity", "owner", "fires when", "runbook"):
        table.add_column(column, no_wrap=column != "fires when")
    for rule in book.rules.values():
        kind = type(rule).__name__.lower()
        table.add_row(rule.name, kind, rule.severity, rule.owner, rule.description, rule.runbook)
    return table
