"""``ml-pipeline retention``: which versions of models are kept no longer, and deletes them."""

import getpass
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from ml_pipeline.cli.terminal import console
from ml_pipeline.database.engine import transaction
from ml_pipeline.models.registry import store
from ml_pipeline.models.registry.store import Due
from ml_pipeline.settings import load_settings


def retention(
    *,
    delete: Annotated[bool, typer.Option("--delete", help="Delete them now, as apply_retention does.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Tell which versions apply_retention would delete now; nothing is changed without --delete."""
    settings = load_settings()
    if delete:
        from ml_pipeline.jobs import apply_retention as job

        counts = job.clean_registry(actor=getpass.getuser())
        typer.echo("  ".join(f"{name} {count:,}" for name, count in counts.items()))
        return
    days, newest = settings.keep_versions_days, settings.keep_versions
    with transaction() as tx:
        due = store.due(tx, datetime.now(UTC) - timedelta(days=days), newest)
    kept = f"the {newest} newest of each task, what was decided on within {days} days, who holds a state or is barred"
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(due)).decode())
    elif due:
        console().print(_table(due))
        typer.echo(f"kept: {kept}. Nothing was changed; --delete deletes them")
    else:
        typer.echo(f"no version is due; kept: {kept}")


def _table(due: list[Due]) -> Table:
    table = Table(title="Versions that are kept no longer", title_justify="left")
    for column in ("version", "last decided on (UTC)"):
        table.add_column(column, no_wrap=True)
    table.add_column("bundle, bytes", justify="right")
    for one in due:
        table.add_row(one.version, f"{one.last_at:%Y-%m-%d %H:%M}", f"{one.bytes:,}")
    return table
