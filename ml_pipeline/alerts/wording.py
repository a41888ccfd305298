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
    """Return a figure with its unit.

    >>> amount(0.1234, Unit.SHARE), amount(61.25, Unit.MILLISECONDS), amount(4.2, Unit.SCORE)
    ('12.3 %', '61.25 ms', '4.2')
    """
    if unit in (Unit.SHARE, Unit.POINTS):
        return percent(value)
    return f"{value:.4g}" if unit is Unit.SCORE else f"{value:.4g} {unit}"


def span(window: Interval) -> str:
    """Return a window in words.

    >>> from datetime import UTC, datetime
    >>> span(Interval(datetime(2026, 3, 1, 9, tzinfo=UTC), datetime(2026, 3, 1, 12, tzinfo=UTC)))
    'in the 3 hours up to 2026-03-01 12:00 UTC'
    """
    hours = round((window.end - window.start).total_seconds() / 3600)
    return f"in the {f'{hours} hours' if hours > 1 else 'hour'} up to {window.end:%Y-%m-%d %H:%M} UTC"


def figure_of(rule: MetricRule, subject: str) -> str:
    """Return what a rule on rollups measures, and of whom: ``Error rate``, ``Accuracy (objection detect caller)``."""
    name = rule.metric.replace("_", " ")
    said = name.capitalize()
    if rule.over is not None:
        said = f"Share of {name} of at least {rule.over:g} {rule.measured.unit}"
    return f"{said} ({subject})" if subject else said
