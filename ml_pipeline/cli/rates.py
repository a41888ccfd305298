"""``ml-pipeline rates``: what share of conversations is sold, and will have been once all is known."""

from rich.table import Table

from ml_pipeline.cli import store
from ml_pipeline.cli.terminal import console
from ml_pipeline.database.engine import transaction
from ml_pipeline.metrics.maturity.terms import LAST

COLUMNS = ("window (UTC)", "slice", "mature / total", "sold so far", "corrected [95 %]", "net revenue", "expected")


def rates() -> None:
    """Show sales rates of the last 7 and 28 days and of each young week, corrected for sales still to come."""
    with transaction() as tx:
        found = [row for row in store.current_rates(tx) if row["slice"] == "" or _is_last(row)]
    out = console()
    if not found:
        out.print("No rates yet: the DAG roll_up_metrics makes them from trusted hours.")
        return
    table = Table(title=f"Sales rates as known at {found[0]['as_of']:%Y-%m-%d %H:%M} UTC", title_justify="left")
    for column in COLUMNS:
        table.add_column(column)
    for row in sorted(found, key=lambda row: (row["slice"], not _is_last(row), row["as_of"] - row["window_start"])):
        table.add_row(*_cells(row))
    out.print(table)
    out.print("~ provisional: some conversation is not mature, or some sale can still be refunded.")
    for reason in sorted({row["reason"] for row in found if row["reason"]}):
        out.print(f"- {reason}")


def _cells(row: store.Row) -> tuple[str, ...]:
    return (
        _window(row),
        row["slice"] or "all",
        f"{row['n_mature']:,} / {row['n_total']:,}",
        _percent(row["naive_rate"]),
        "-" if row["reason"] else f"{_percent(row['corrected_rate'])} [{row['low']:.1%}, {row['high']:.1%}]",
        _money(row, "net", "~" if row["is_provisional"] else ""),
        _money(row, "expected_net", ""),
    )


def _is_last(row: store.Row) -> bool:
    return row["window_end"] == row["as_of"] and row["window_end"] - row["window_start"] in LAST


def _window(row: store.Row) -> str:
    if _is_last(row):
        return f"last {(row['window_end'] - row['window_start']).days} days"
    return f"from {row['window_start']:%d %b %Y}"


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _money(row: store.Row, which: str, mark: str) -> str:
    amounts = ((currency, earned[which]) for currency, earned in sorted(row["revenue"].items()))
    return ", ".join(f"{mark}{amount:,.0f} {currency}".rstrip() for currency, amount in amounts if amount is not None)
