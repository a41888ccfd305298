from collections.abc import Iterator
from typing import NamedTuple

from ml_pipeline.metrics.catalogue import CATALOGUE, METRICS
from ml_pipeline.metrics.metric import Compound, Dimension, Metric
from ml_pipeline.metrics.trends.series import Series

MAIN_DIMENSIONS = (Dimension.LANGUAGE, Dimension.PROGRAM, Dimension.PLATFORM)
"""By whose values trends are told too. Change points are told of whole figures only."""
SALE = frozenset({"conversion_rate", "revenue", "net_revenue"})
"""Metrics of the sale, which is known for good only when the attribution window has passed."""


class Family(NamedTuple):
    """Metrics that share their false alarms: those of one pass over the facts; those that settle late are one apart."""

    rollup: str
    settles_late: bool


class Kind(NamedTuple):
    """What slices of a metric are by, such as ``language`` or ``currency,arm``; empty for all there is."""

    metric: str
    kind: str


def family_of(series: Series, late_tasks: frozenset[str]) -> Family:
    """Return the family of a series; ``late_tasks``: tasks whose truth is how the conversation ends."""
    metric = CATALOGUE[series.metric]
    source = METRICS[metric.of] if isinstance(metric, Compound) else metric
    return Family(source.rollup, source.name in SALE or series.task in late_tasks)


def whole_kinds() -> Iterator[Kind]:
    """Yield what is looked at of every metric: all there is, or where it is only sliced, by what it is sliced first."""
    for metric in CATALOGUE.values():
        if Dimension.PROBABILITY not in metric.dimensions:
            yield Kind(metric.name, _whole(metric))


def main_kinds() -> Iterator[Kind]:
    """Yield the slices that are looked at beside the whole figures."""
    for metric in CATALOGUE.values():
        for dimension in MAIN_DIMENSIONS:
            if dimension in metric.dimensions:
                yield Kind(metric.name, ",".join(filter(None, (_whole(metric), dimension))))


def _whole(metric: Metric | Compound) -> str:
    if not metric.is_only_sliced:
        return ""
    return ",".join(metric.dimensions if isinstance(metric, Compound) else metric.dimensions[:1])
