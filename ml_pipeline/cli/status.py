"""``status``: where every event is, over all writers."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from ml_pipeline.cli import store
from ml_pipeline.cli.terminal import console
from ml_pipeline.database.engine import transaction
from ml_pipeline.errors import DatabaseError
from ml_pipeline.online.recording.accounts import FATES, Account, total
from ml_pipeline.online.recording.conservation import accounts, count_spooled
from ml_pipeline.online.recording.shipper import is_shipping
from ml_pipeline.online.recording.tombstones import list_spooled
from ml_pipeline.settings import load_settings

CONNECT_SECONDS = 3
STATEMENT_SECONDS = 10.0
FIGURES = ("offered", "accepted", *FATES, "spooled", "missing")
ALWAYS_SHOWN = ("offered", "accepted", "stored", "spooled")

Document = dict[str, Any]


def status(
    *,
    spool: Annotated[Path | None, typer.Option(help="The spool folder; that of the settings by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    reconcile: Annotated[
        bool, typer.Option(help="Compare the counters with the rows, which reads the whole log; 1 if they differ.")
    ] = False,
) -> None:
    """Tell of every writer what it was offered, and what became of it.

    offered = accepted + missing + refused; accepted = stored + duplicate + rejected + quarantined + dropped + spooled.
    """
    folder = (spool or load_settings().spool).absolute()
    told = _told()
    found = accounts(folder, told or {})
    document = _document(folder, found, is_postgres_away=told is None)
    if reconcile:
        with transaction() as tx:
            document["differences"] = [*store.reconcile_writers(tx), *_unreadable(folder, found)]
    if as_json:
        typer.echo(json.dumps(document, indent=2))
    else:
        _show(document)
    if document.get("differences"):
        raise typer.Exit(1)


def _document(folder: Path, found: dict[str, Account], *, is_postgres_away: bool) -> Document:
    balances = [_balance(account) for account in found.values()]
    return {
        "spool": str(folder),
        "is_shipping": is_shipping(folder),
        "is_postgres_away": is_postgres_away,
        "writers": balances,
        "total": total(balances),
    }


def _unreadable(folder: Path, found: dict[str, Account]) -> Iterable[Document]:
    """Yield the writers of the spool whose records that wait are not all to be read; they will be quarantined."""
    for writer in list_spooled(folder) if not is_shipping(folder) else ():
        spooled, readable = found[writer].balance()["spooled"], count_spooled(folder, found[writer])
        if spooled != readable:
            yield {"writer": writer, "rule": "records that wait on disk", "counted": spooled, "found": readable}


def _told() -> dict[str, Account] | None:
    """Return what Postgres says of each writer; None where it is away."""
    from ml_pipeline.online import store as online

    try:
        connection = online.connect(
            load_settings().capture_dsn, timeout_seconds=CONNECT_SECONDS, statement_seconds=STATEMENT_SECONDS
        )
    except DatabaseError:
        return None
    try:
        return {account.writer: account for account in online.accounts_of_all(connection)}
    except DatabaseError:
        return None
    finally:
        connection.close()


def _balance(account: Account) -> Document:
    as_of = account.as_of.isoformat(timespec="milliseconds") if account.as_of else None
    return {"writer": account.writer, **account.balance(), "as_of": as_of}


def _show(document: Document) -> None:
    out = console()
    out.print(f"Spool     {document['spool']}: a shipper is {'at work' if document['is_shipping'] else 'not at work'}")
    if document["is_postgres_away"]:
        out.print("Postgres  is away: only the writers of this spool, as the shipper last heard of them")
    shown = [name for name in FIGURES if name in ALWAYS_SHOWN or document["total"][name]]
    out.print(_table(document, shown))
    if nothing := [name for name in FIGURES if name not in shown]:
        out.print(f"Not one {', '.join(nothing)}.")
    for reason, calls in document["total"]["refused"].items():
        out.print(f"Refused   {calls:,} as {reason}")
    for difference in document.get("differences", []):
        out.print("{writer}: {rule}: {counted:,} counted, {found:,} found".format(**difference))
    if document.get("differences") == []:
        out.print("The counters agree with the rows.")


def _table(document: Document, shown: Sequence[str]) -> Table:
    table = Table(title="Where every event is", title_justify="left")
    table.add_column("writer", no_wrap=True)
    for name in (*shown, "refused"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("as of", no_wrap=True)
    for writer in document["writers"]:
        table.add_row(writer["writer"][:8], *_cells(writer, shown), _as_of(writer["as_of"]))
    table.add_section()
    table.add_row("all", *_cells(document["total"], shown), "")
    return table


def _cells(balance: Document, shown: Sequence[str]) -> Iterable[str]:
    yield from (f"{balance[name]:,}" for name in shown)
    yield f"{sum(balance['refused'].values()):,}"


def _as_of(at: str | None) -> str:
    return f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M:%S}" if at else "never"
