"""Judge the hours whose facts changed: trusted or held."""

import logging
from contextlib import closing
from datetime import UTC, datetime, timedelta

from ml_pipeline.database.engine import transaction
from ml_pipeline.quality import store
from ml_pipeline.quality.suites import SUITES
from ml_pipeline.quality.validator import Judged, Validator
from ml_pipeline.quality.verdict import judge_hours
from ml_pipeline.settings import load_settings
from ml_pipeline.vocabulary.interval import Interval

log = logging.getLogger(__name__)


def run() -> dict[str, int]:
    """Run every suite once over all pending hours and write a verdict for each; succeeds whatever the verdicts are."""
    settings = load_settings()
    judged_at = datetime.now(UTC)
    with transaction() as tx:
        store.lock(tx)
        pending = store.pending_hours(tx)
        if not pending:
            return {"checks": 0, "failed": 0, "hours_trusted": 0, "hours_held": 0}
        judged = [Judged(suite, store.rows_to_judge(tx, suite, settings.tasks)) for suite in SUITES]
        with closing(Validator(settings.jobs_dsn)) as validator:
            results = [result for each in judged for result in validator.judge(each)]
        window = Interval(min(pending), max(pending) + timedelta(hours=1))
        store.record_results(tx, results, window, judged_at)
        hours = store.record_verdicts(tx, judge_hours(pending, results), judged_at)
    for result in results:
        if not result.has_passed:
            log.warning("quality.failed check=%s.%s severity=%s", result.table, result.name, result.severity)
    log.info("quality.judged trusted=%d held=%d", hours["hours_trusted"], hours["hours_held"])
    return {"checks": len(results), "failed": sum(not result.has_passed for result in results), **hours}
