"""Judge the hours whose facts changed, and once more those that are held."""

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

from ml_pipeline.database.engine import transaction
from ml_pipeline.quality import store
from ml_pipeline.quality.data_docs import Judgement, write_data_docs
from ml_pipeline.quality.suites import SUITES
from ml_pipeline.quality.validator import Judged, Validator
from ml_pipeline.quality.verdict import judge_hours
from ml_pipeline.settings import Settings, load_settings
from ml_pipeline.vocabulary.interval import Interval

log = logging.getLogger(__name__)

HOURS_AT_ONCE = 48
"""In one transaction: temporary tables of two days fit every disk, and after a crash no more is judged again."""
COUNTED = ("checks", "failed", "hours_trusted", "hours_held", "hours_released")


def run() -> dict[str, int]:
    """Run every suite over all hours that are pending or held, and write a verdict for each.

    Succeeds whatever the verdicts are. ``hours_released``: those that people let pass and that are still to be read.
    """
    settings = load_settings()
    counts: Counter[str] = Counter()
    with transaction() as tx:
        hours = list(store.hours_to_judge(tx))
        counts["hours_released"] = store.released_hours(tx)
    for first in range(0, len(hours), HOURS_AT_ONCE):
        counts += _judge(hours[first : first + HOURS_AT_ONCE], settings)
    log.info("quality.judged trusted=%d held=%d", counts["hours_trusted"], counts["hours_held"])
    return {name: counts[name] for name in COUNTED}


def _judge(hours: Sequence[datetime], settings: Settings) -> Counter[str]:
    judged_at = datetime.now(UTC)
    with transaction() as tx:
        store.lock(tx)
        waiting = store.hours_to_judge(tx)
        versions = {hour: waiting[hour] for hour in hours if hour in waiting}
        if not versions:
            return Counter()
        judged = [Judged(suite, store.rows_to_judge(tx, suite, versions, settings.tasks)) for suite in SUITES]
        with closing(Validator(settings.jobs_dsn)) as validator:
            results = [result for each in judged for result in validator.judge(each)]
        window = Interval(min(versions), max(versions) + timedelta(hours=1))
        store.record_results(tx, results, window, judged_at)
        verdicts = store.record_verdicts(tx, judge_hours(versions, results), judged_at)
    failed = [result for result in results if not result.has_passed]
    for result in failed:
        log.warning("quality.failed check=%s.%s severity=%s", result.table, result.name, result.severity)
    _show(settings, Judgement(judged_at, window, validator.validations))
    return Counter(checks=len(results), failed=len(failed), **verdicts)


def _show(settings: Settings, judgement: Judgement) -> None:
    """Write the pages; the verdicts stand without them."""
    try:
        write_data_docs(settings.data_docs, judgement)
    except OSError as error:
        log.warning("quality.data_docs_failed folder=%s error=%s", settings.data_docs, error)
