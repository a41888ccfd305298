"""``ml-pipeline trends``: what is at another level than before, and since when."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.table import Table

from ml_pipeline.cli.store import Row
from ml_pipeline.cli.terminal import console
from ml_pipeline.database.engine import transaction
from ml_pipeline.metrics.catalogue import CATALOGUE

RECENT = timedelta(weeks=26)


def trends(
    *,
    metric: Annotated[str | None, typer.Option(help="This metric only.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Changes that may be chance too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Tell which metrics differ from a week before, and the change points of 26 weeks."""
    from ml_pipeline.metrics.trends import store  # and scipy, a second that other commands need not wait

    if metric is not None and metric not in CATALOGUE:
        raise typer.BadParameter(f"no metric is called {metric}; `ml-pipeline metrics` lists them")
    with transaction() as tx:
        changes = store.newest_trends(tx, metric, everything=everything)
        points = store.newest_change_points(tx, metric, datetime.now(UTC) - RECENT)
    if as_json:
        typer.echo(json.dumps({"trends": changes, "change_points": points}, indent=2, default=str))
        return
    out = console()
    out.print(_trends(changes) if changes else "No metric differs from a week before by more than chance.")
    out.print(_change_points(points) if points else "No change point in 26 weeks.")


def _trends(changes: list[Row]) -> Table:
    table = Table(title="Against a week before [95 %]", title_justify="left")
    for column in ("metric", "of", "span", "until (UTC)", "level", "change"):
        table.add_column(column)
    for row in changes:
        level = _bounded(row["level"], row["low"], row["high"])
        change = "" if row["change"] is None else _bounded(row["change"], row["change_low"], row["change_high"], "+")
        table.add_row(row["metric"], _of(row), row["grain"], f"{row['as_of']:%Y-%m-%d}", level, change)
    return table


def _change_points(points: list[Row]) -> Table:
    table = Table(title="Change points", title_justify="left")
    for column in ("since (UTC)", "metric", "of", "before", "after", "known since"):
        table.add_column(column)
    for row in points:
        since, known = f"{row['at']:%Y-%m-%d}", f"{row['detected_at']:%Y-%m-%d}"
        table.add_row(since, row["metric"], _of(row), f"{row['before']:,.4g}", f"{row['after']:,.4g}", known)
    return table


def _of(row: Row) -> str:
    return " ".join(filter(None, (row["task"], row["mode"], row["version"], row["slice"]))) or "all"


def _bounded(value: float, low: float | None, high: float | None, sign: str = "") -> str:
    figure: Any = f"{value:{sign},.3g}"
    return figure if low is None else f"{figure} [{low:{sign},.3g}, {high:{sign},.3g}]"
