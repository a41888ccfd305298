"""Make facts and rollups again from the log, and mend what differs."""

import logging
from datetime import datetime

from ml_pipeline.database.engine import transaction
from ml_pipeline.database.rebuilt import Comparison
from ml_pipeline.events.rebuilding.facts import rebuild_facts
from ml_pipeline.jobs import ingest_events
from ml_pipeline.metrics.rebuilding import store as rollups
from ml_pipeline.metrics.rebuilding.rollups import rebuild_day
from ml_pipeline.settings import load_settings

log = logging.getLogger(__name__)


def run(since: datetime | None = None, *, is_mending: bool = True) -> Comparison:
    """Make everything from ``since`` on again, compare it with what is live, and swap what differs.

    Facts are one transaction, rollups one per day: what a killed rebuild had not finished is as it was. An hour whose
    facts were mended is not trusted any more: its rollups follow once it is judged again.
    """
    settings = load_settings()
    ingest_events.run()
    with transaction() as tx:
        found = rebuild_facts(tx, since, sold_tiers=settings.sold_tiers, is_mending=is_mending)
    with transaction() as tx:
        days = rollups.trusted_days(tx, since)
    for day in days:
        with transaction() as tx:
            found += rebuild_day(tx, day, tasks=settings.tasks, is_mending=is_mending)
    log.info("rebuild.compared rows=%d differing=%d", found.compared.total(), found.differing.total())
    return found
