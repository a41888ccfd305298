"""``ml-pipeline rebuild``: makes facts and rollups again from the log."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from ml_pipeline.cli.terminal import console
from ml_pipeline.database.rebuilt import Comparison
from ml_pipeline.jobs import rebuild as job

STATES = ("lacking", "surplus", "different")


def rebuild(
    *,
    since: Annotated[
        datetime | None, typer.Option(help="The first day, UTC; the first that the log has by default.")
    ] = None,
    compare_only: Annotated[bool, typer.Option("--compare-only", help="Mend nothing; 1 if anything differs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Make facts and rollups again from the log, compare them with what is live, and mend what differs.

    The agents and the jobs go on. Days whose events the log does not have any more stay as they are.
    """
    first = since.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC) if since else None
    found = job.run(first, is_mending=not compare_only)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(_document(found))).decode())
    else:
        out = console()
        out.print(_table(found))
        for line in _examples(found):
            out.print(line, soft_wrap=True, markup=False, highlight=False)
    if compare_only and found.differing:
        raise typer.Exit(1)


def _document(found: Comparison) -> dict[str, object]:
    tables = {
        table: {"compared": rows, **{state: found.differing[table, state] for state in STATES}}
        for table, rows in sorted(found.compared.items())
    }
    return {"tables": tables, "examples": found.examples}


def _table(found: Comparison) -> Table:
    title = "What differed" if found.differing else "Everything is as the log has it"
    table = Table(title=title, title_justify="left")
    table.add_column("table", no_wrap=True)
    for column in ("compared", *STATES):
        table.add_column(column, justify="right")
    for name, rows in sorted(found.compared.items()):
        table.add_row(name, f"{rows:,}", *(f"{found.differing[name, state]:,}" for state in STATES))
    return table


def _examples(found: Comparison) -> Iterator[str]:
    for row in found.examples:
        key = ", ".join(f"{name} {value}" for name, value in row["row_key"].items())
        yield f"{row['table_name']}: {row['state']}: {key}"
