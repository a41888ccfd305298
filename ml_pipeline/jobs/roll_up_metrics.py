"""Make the metrics of trusted hours that changed again."""

import logging
from datetime import UTC, datetime, timedelta

from ml_pipeline.alerts import store as alerts
from ml_pipeline.alerts.lifecycle import Step, follow
from ml_pipeline.alerts.rulebook import read_rules
from ml_pipeline.database.engine import transaction
from ml_pipeline.drift import store as drift
from ml_pipeline.metrics import store
from ml_pipeline.metrics.maturity import store as maturity
from ml_pipeline.metrics.maturity.delay_findings import judge_delays
from ml_pipeline.metrics.maturity.rates import delay_curves, matured_rate
from ml_pipeline.metrics.maturity.terms import Terms, start_of_week, whole_hour
from ml_pipeline.metrics.periods.merging import merge_periods
from ml_pipeline.metrics.trends import store as trends
from ml_pipeline.metrics.trends.finding import find
from ml_pipeline.settings import load_settings
from ml_pipeline.vocabulary.interval import Interval

log = logging.getLogger(__name__)


def run(start: datetime | str | None = None, end: datetime | str | None = None) -> dict[str, int]:
    """Roll up every trusted hour that changed, and every trusted hour of ``[start, end)`` whether it changed or not.

    Bounds are times or ISO strings with a zone, both or none.

    Raises:
        ValueError: if they are not.
    """
    also = _interval(start, end)
    with transaction() as tx:
        hours = store.take_hours(tx, also)
        rows = store.roll_up(tx, load_settings().tasks) if hours else 0
        periods = merge_periods(tx) if hours else 0
    log.info("metrics.rolled_up hours=%d rows=%d periods=%d", hours, rows, periods)
    return {"hours": hours, "rows": rows, "periods": periods}


def find_trends(now: datetime | None = None) -> dict[str, int]:
    """Tell how each metric went until the last whole day before ``now``, and since when one is at another level.

    Doing it twice for one day changes nothing.
    """
    settings = load_settings()
    late_tasks = frozenset(task.name for task in settings.tasks if task.scope == "conversation")
    with transaction() as tx:
        trends.lock(tx)
        as_of = trends.last_day_end(tx, now or datetime.now(UTC))
        if as_of is None:
            return {"trends": 0, "significant": 0, "change_points": 0}
        counts = find(tx, as_of, late_tasks=late_tasks, settling=timedelta(days=settings.attribution_days))
    log.info("trends.found trends=%(trends)d significant=%(significant)d change_points=%(change_points)d", counts)
    return counts


def mature_rates(as_of: datetime | str | None = None) -> dict[str, int]:
    """Correct the sales rates of all windows for what was not known yet at ``as_of``, cut to its hour; now by default.

    Once a week of moments, as of its Monday, whether the delay of sales has changed. Doing it again changes nothing.
    """
    settings = load_settings()
    terms = Terms(settings.attribution_days, settings.refund_days, settings.maturity_reference_weeks)
    moment = whole_hour(_time(as_of or datetime.now(UTC)))
    with transaction() as tx:
        maturity.lock(tx)
        maturity.read_sales(tx, moment, terms)
        learnt = maturity.learn_from(tx, moment, terms)
        windows = maturity.windows(tx, terms.windows(moment), terms)
        rates = {(interval, name): matured_rate(name, window, learnt) for (interval, name), window in windows.items()}
        maturity.replace(tx, moment, terms.reference(moment), learnt.curves, rates)
    counts = {
        "curves": len(learnt.curves),
        "rates": len(rates),
        "uncorrected": sum(rate.correction is None for rate in rates.values()),
        "delay_findings": _check_delays(start_of_week(moment), terms),
    }
    log.info("rates.matured as_of=%s curves=%d rates=%d uncorrected=%d", moment, *list(counts.values())[:3])
    return counts


def _check_delays(as_of: datetime, terms: Terms) -> int:
    """Compare recent delays with the reference's, unless that was done as of then; return the findings."""
    with transaction() as tx:
        maturity.lock(tx)
        if maturity.is_delay_checked(tx, as_of):
            return 0
        maturity.read_sales(tx, as_of, terms)
        recent, reference = terms.compared(as_of)
        curves = delay_curves(maturity.references(tx, reference, terms.attribution_hours))
        findings = judge_delays(maturity.recent_sales(tx, recent), curves)
        drift.replace_delays(tx, recent, reference, findings)
    return sum(finding.severity is not None for finding in findings)


def judge_alerts(now: datetime | None = None) -> dict[str, int]:
    """Judge every alert rule on what can be read at ``now``; open, renew and resolve alerts.

    Doing it twice for one hour changes nothing. A rule that cannot be judged is an alert itself.
    """
    now = now or datetime.now(UTC)
    rulebook = read_rules(load_settings().alert_rules)
    with transaction() as tx:
        alerts.lock(tx)
        judged = list(rulebook.judge(lambda rule: alerts.judge(tx, rule, now)))
        news = follow(judged, alerts.standings(tx), now)
        alerts.record(tx, news, now)
        orphans = alerts.resolve_orphans(tx, rulebook, now)
    steps = [each.step for each in news]
    counts = {
        "verdicts": len(news),
        "opened": steps.count(Step.OPEN),
        "resolved": steps.count(Step.RESOLVE) + orphans,
        "open": sum(each.standing.is_open for each in news),
    }
    log.info("alerts.judged verdicts=%(verdicts)d opened=%(opened)d resolved=%(resolved)d open=%(open)d", counts)
    return counts


def _interval(start: datetime | str | None, end: datetime | str | None) -> Interval | None:
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise ValueError(f"an interval needs both bounds: {start} to {end}; give start and end, or neither")
    return Interval(_time(start), _time(end))


def _time(at: datetime | str) -> datetime:
    return datetime.fromisoformat(at) if isinstance(at, str) else at
