"""``ml-pipeline metrics``: what is measured, and how it went."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ml_pipeline.cli.terminal import console
from ml_pipeline.database.engine import transaction
from ml_pipeline.metrics import store
from ml_pipeline.metrics.catalogue import CATALOGUE
from ml_pipeline.metrics.metric import Compound, Metric

metrics = typer.Typer(invoke_without_command=True)

SHOWN = timedelta(days=14)

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


@metrics.callback()
def catalogue(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List every metric: its unit, which way is better, who owns it, what it is sliced by, and its definition."""
    if context.invoked_subcommand:
        return
    if as_json:
        typer.echo(json.dumps([_described(metric) for metric in CATALOGUE.values()], indent=2))
        return
    table = Table("metric", "unit", "better", "owner", "sliced by", "definition")
    for metric in CATALOGUE.values():
        names = ", ".join(metric.dimensions)
        table.add_row(metric.name, metric.unit, metric.better, metric.owner, names, escape(metric.definition))
    console().print(table)


@metrics.command()
def show(
    name: Annotated[str, typer.Argument(help="A metric of the catalogue.")],
    *,
    since: Annotated[datetime | None, typer.Option(help="The first day, UTC; two weeks ago by default.")] = None,
    part: Annotated[str, typer.Option("--slice", help="One part of it, such as language=es; all by default.")] = "",
    as_json: AsJson = False,
) -> None:
    """Tell how a metric went day by day, with its 95 % interval."""
    if name not in CATALOGUE:
        raise typer.BadParameter(f"no metric is called {name}; `ml-pipeline metrics` lists them")
    with transaction() as tx:
        days = store.days_of(tx, name, since.replace(tzinfo=UTC) if since else datetime.now(UTC) - SHOWN, part)
    if as_json:
        typer.echo(json.dumps({**_described(CATALOGUE[name]), "slice": part, "days": days}, indent=2, default=str))
    else:
        _print(CATALOGUE[name], days)


def _described(metric: Metric | Compound) -> dict[str, Any]:
    return {
        "name": metric.name,
        "unit": metric.unit,
        "better": metric.better,
        "owner": metric.owner,
        "dimensions": [*metric.dimensions],
        "definition": metric.definition,
    }


def _print(metric: Metric | Compound, days: Iterable[dict[str, Any]]) -> None:
    out = console()
    out.print(f"{metric.definition} In {metric.unit}.", highlight=False, markup=False)
    table = Table("day", "task", "version", "value", "low", "high", "n")
    for day in days:
        figures = ("" if day[name] is None else f"{day[name]:,.4g}" for name in ("value", "low", "high"))
        table.add_row(f"{day['period_start']:%Y-%m-%d}", day["task"], day["version"], *figures, f"{day['n']:,}")
    out.print(table if table.row_count else "No day has this figure.")
