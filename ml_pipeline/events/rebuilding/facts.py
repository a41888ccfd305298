"""Facts made again from the log: equal to the live ones to the row, or these are mended.

The statements of the live projection, on tables of the transaction's own. Only its end holds the projector up: what
arrived meanwhile is read, the conversations in which anything differed or arrived are compared once more, and the rows
that differ are swapped.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ml_pipeline.database import rebuilt
from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.rebuilt import Comparison
from ml_pipeline.events import projection
from ml_pipeline.events import store as live
from ml_pipeline.events.rebuilding import store

MARGIN = timedelta(days=1)
"""How long before the first day that is compared events are read: conversations that began by then come out right."""


def rebuild_facts(
    tx: Transaction, since: datetime | None, *, sold_tiers: Sequence[str], is_mending: bool
) -> Comparison:
    """Make the facts from ``since`` on again in this transaction and compare; mend the live ones where ``is_mending``.

    Days whose events are not in the log any more are left alone, and so is everything while there is no log.
    """
    first = store.first_complete_day(tx)
    if first is None:
        return Comparison()
    low = max(since or first, first)
    edge = max(low - MARGIN, first)
    with rebuilt.beside(tx, store.TABLES):
        store.seed(tx, edge)
        while _read(tx, edge, sold_tiers) > projection.BATCH_EVENTS:
            pass  # as much arrived meanwhile: once more, while the projector may go on
        compared = store.find_suspects(tx, low)

        live.lock(tx)
        _drain(tx, sold_tiers)
        _read(tx, edge, sold_tiers, are_suspect=True)
        store.compare_suspects(tx, low)
        comparison = rebuilt.describe(tx, compared)
        if is_mending:
            store.swap(tx)
    if is_mending and comparison.differing:
        store.touch_swapped(tx)
        live.name_hours(tx)
    return comparison


def _read(tx: Transaction, edge: datetime, sold_tiers: Sequence[str], *, are_suspect: bool = False) -> int:
    """Project beside what the log holds and was not read yet; return how many events that was."""
    entered = store.enter_unread(tx, edge)
    while newest := live.newest_entry(tx):
        ids = live.consume(tx, newest=newest, events=projection.BATCH_EVENTS)
        batch = live.read_batch(tx, ids) if ids else None
        if batch is not None:
            live.project(tx, batch, sold_tiers)
            if are_suspect:
                store.suspect_batch(tx)
        store.close_batch(tx)
    return entered


def _drain(tx: Transaction, sold_tiers: Sequence[str]) -> None:
    """Let the live facts catch up with the ledger, so that both sides tell of the same events."""
    rebuilt.look_at_live(tx)
    while newest := live.newest_entry(tx):
        projection.project_next(tx, newest=newest, sold_tiers=sold_tiers)
        store.close_batch(tx)
    rebuilt.look_beside(tx)
