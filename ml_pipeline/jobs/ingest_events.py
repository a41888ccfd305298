"""Project what the log received since the last run."""

import logging
from collections import Counter
from datetime import UTC, datetime

from ml_pipeline.database.engine import transaction
from ml_pipeline.events import store
from ml_pipeline.events.projection import project_next
from ml_pipeline.settings import load_settings

log = logging.getLogger(__name__)

COUNTED = (
    "batches",
    "events",
    "unprojectable",
    "conversations",
    "turns",
    "predictions",
    "outcomes",
    "labels",
    "assignments",
    "unmatched",
    "matched_late",
    "requests",
)


def run() -> dict[str, int]:
    """Project every ledger entry that is there now, one transaction per batch.

    ``hours_changed`` counts an hour once per batch; ``is_due`` is 1 when the changed hours should be judged now;
    ``unprojectable.<reason>`` says what was wrong with how many of the unprojectable events; ``unmatched`` outcomes and
    labels wait for their conversation, ``matched_late`` ones found it now.
    """
    counts: Counter[str] = Counter()
    sold_tiers = load_settings().sold_tiers
    with transaction() as tx:
        newest = store.newest_entry(tx)
    while newest is not None:
        with transaction() as tx:
            projected = project_next(tx, newest=newest, sold_tiers=sold_tiers)
        if projected is None:
            break
        counts += projected
    with transaction() as tx:
        is_due = store.judgement_is_due(tx, datetime.now(UTC))
    if counts["unprojectable"]:
        log.warning("events.unprojectable events=%d", counts["unprojectable"])
    for name in counts:
        if name.startswith("currency_new."):
            log.warning("events.currency_new currency=%s", name.removeprefix("currency_new."))
    log.info("events.projected events=%d batches=%d", counts["events"], counts["batches"])
    return {name: counts[name] for name in (*COUNTED, "hours_changed")} | counts | {"is_due": int(is_due)}
