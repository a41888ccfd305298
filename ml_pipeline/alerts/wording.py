"""How figures, subjects and spans are said in a headline."""

from ml_pipeline.alerts.rule import MetricRule
from ml_pipeline.metrics.metric import Unit
from ml_pipeline.vocabulary.interval import Interval


def percent(share: float) -> str:
    """Return a share as a percentage with two or three digits that count.

    >>> percent(0.1234), percent(0.00456), percent(-0.062)
    ('12.3 %', '0.46 %', '-6.2 %')
    """
    return f"{100 * share:.3g} %" if abs(share) >= 0.01 else f"{100 * share:.2g} %"


def amount(value: float, unit: Unit) -> str:
    return percent(value) if unit in (Unit.SHARE, Unit.POINTS) else f"{value:.4g} {unit}"


def span(window: Interval) -> str:
    """Return a window in words.

    >>> from datetime import UTC, datetime
    >>> span(Interval(datetime(2026, 3, 1, 9, tzinfo=UTC), datetime(2026, 3, 1, 12, tzinfo=UTC)))
    'in the 3 hours up to 2026-03-01 12:00 UTC'
    """
    hours = round((window.end - window.start).total_seconds() / 3600)
    return f"in the {f'{hours} hours' if hours > 1 else 'hour'} up to {window.end:%Y-%m-%d %H:%M} UTC"


def figure_of(rule: MetricRule, subject: str) -> str:
    """Return what a rule on rollups measures, of whom.

    A share over a limit reads ``share of latency_mean over 200 ms (objection caller)``.
    """
    name = rule.metric.replace("_", " ")
    if rule.over is not None:
        name = f"share of {name} from {rule.over:g} {rule.measured.unit} on"
    return f"{name} ({subject})" if subject else name
