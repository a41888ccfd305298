"""Make the metrics of trusted hours that changed again."""

import logging
from datetime import UTC, datetime

from ml_pipeline.alerts import store as alerts
from ml_pipeline.alerts.lifecycle import Step, follow
from ml_pipeline.alerts.rulebook import read_rules
from ml_pipeline.database.engine import transaction
from ml_pipeline.metrics import store
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
    log.info("metrics.rolled_up hours=%d rows=%d", hours, rows)
    return {"hours": hours, "rows": rows}


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
    return Interval(*(datetime.fromisoformat(at) if isinstance(at, str) else at for at in (start, end)))
