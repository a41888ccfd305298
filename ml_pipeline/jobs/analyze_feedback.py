import logging

from ml_pipeline.database.engine import transaction
from ml_pipeline.feedback import store
from ml_pipeline.feedback.error_kinds import all_kinds
from ml_pipeline.feedback.spans import spans
from ml_pipeline.feedback.tallies import flat_counts
from ml_pipeline.settings import load_settings

log = logging.getLogger(__name__)


def run() -> dict[str, int]:
    """Replace the errors of every changed hour that is trusted.

    Returns ``hours`` done and ``untrusted_hours`` left, and over the hours done the counts of
    ``feedback.tallies.flat_counts``: in all, and per task, mode and version.
    """
    tasks = load_settings().tasks
    with transaction() as tx:
        hours = store.consume_hours(tx)
        tallies = [tally for span in spans(hours) for tally in store.replace_errors(tx, span, tasks)]
        waiting = store.untrusted_hours(tx)
    counts = flat_counts(tallies, all_kinds(tasks))
    log.info("feedback.analyzed hours=%d labelled=%d errors=%d", len(hours), counts["labelled"], counts["errors"])
    if counts["unlabelled"]:
        log.info("feedback.unlabelled predictions=%d of=%d", counts["unlabelled"], counts["predictions"])
    return {"hours": len(hours), "untrusted_hours": waiting} | counts
