"""Tables made again beside the live ones of the same names, in one transaction, and how their rows differ."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries

EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class Comparison:
    """``compared`` counts the rows made again, per table; ``differing`` those not the same, per table and state.

    States: ``lacking`` (should be live and is not), ``surplus`` (should not be), ``different``. ``examples`` are a few:
    table_name, state and row_key.
    """

    compared: Counter[str] = field(default_factory=Counter)
    differing: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: tuple[Mapping[str, Any], ...] = ()

    def __add__(self, other: "Comparison") -> "Comparison":
        return Comparison(
            self.compared + other.compared,
            self.differing + other.differing,
            (*self.examples, *other.examples)[:EXAMPLES],
        )


@contextmanager
def beside(tx: Transaction, tables: tuple[str, ...]) -> Iterator[None]:
    """Let the names of ``tables`` mean empty ones of this transaction's own, and those of views that read them too."""
    queries("rebuilt").work_beside(tx, tables=list(tables))
    yield
    queries("rebuilt").leave_beside(tx)  # an error rolls all of it back


def look_at_live(tx: Transaction) -> None:
    """Let every name mean the live table again."""
    queries("rebuilt").look_at_live(tx)


def look_beside(tx: Transaction) -> None:
    queries("rebuilt").look_beside(tx)


def describe(tx: Transaction, compared: Mapping[str, int]) -> Comparison:
    """Return what stands in ``differing``."""
    named = queries("rebuilt")
    differing = Counter({(row["table_name"], row["state"]): row["rows"] for row in named.count_differing(tx)})
    examples = tuple(dict(row) for row in named.list_differing(tx, limit=EXAMPLES))
    return Comparison(Counter(compared), differing, examples)


def swap(tx: Transaction) -> None:
    """Put the rows that differ in the place of the live ones."""
    queries("rebuilt").swap(tx)
