from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from scipy.stats import false_discovery_control

from ml_pipeline.metrics.trends.comparison import Comparison, compare_with_week_before
from ml_pipeline.metrics.trends.series import DAY, WEEK, Day, Series

SPANS: Mapping[str, timedelta] = {"day": DAY, "week": WEEK}
FALSE_DISCOVERIES = 0.05


class Looked(NamedTuple):
    """What was compared: a series, its last day or its last seven days."""

    series: Series
    grain: str


@dataclass(frozen=True, slots=True)
class Trend:
    """A comparison; ``is_significant`` after all comparisons of the family at that time."""

    comparison: Comparison
    is_significant: bool


def family_trends(family: Mapping[Series, Sequence[Day]], as_of: datetime) -> dict[Looked, Trend]:
    """Compare every series of a metric family that has days before ``as_of`` with itself a week before.

    Of the changes called significant at one time at most 5 % are expected to be none, however the series depend on each
    other.

    Benjamini and Yekutieli (2001): The control of the false discovery rate in multiple testing under dependency.
    """
    compared = {
        Looked(series, grain): comparison
        for series, days in family.items()
        for grain, span in SPANS.items()
        if (comparison := compare_with_week_before(days, as_of, span)) is not None
    }
    tested = {looked: each.p_value for looked, each in compared.items() if each.p_value is not None}
    adjusted = false_discovery_control(list(tested.values()), method="by") if tested else []
    significant = {looked for looked, p in zip(tested, adjusted, strict=True) if p <= FALSE_DISCOVERIES}
    return {looked: Trend(each, looked in significant) for looked, each in compared.items()}
