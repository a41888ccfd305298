import math

from ml_pipeline.metrics.metric import Unit
from ml_pipeline.metrics.trends.series import Day


def even_scale(day: Day, unit: Unit) -> float:
    """Return the value of a day on a scale where days vary alike, whatever their level.

    Times and counts by their logarithm, money by its root, others as they are; shares by the arcsine of their root.

    Anscombe (1948): The transformation of Poisson, binomial and negative-binomial data.

    >>> from datetime import datetime
    >>> even_scale(Day(datetime(2026, 1, 5), 0.25, 10_000), Unit.SHARE).__round__(3)
    0.524
    """
    match unit:
        case Unit.SHARE:
            share = min(max(day.value, 0.0), 1.0)
            return math.asin(math.sqrt((share * day.n + 0.375) / (day.n + 0.75)))
        case Unit.MILLISECONDS | Unit.PER_HOUR | Unit.TURNS:
            return math.log(max(day.value, 1e-3))
        case Unit.MONEY:
            return math.copysign(math.sqrt(abs(day.value)), day.value)
        case _:
            return day.value
