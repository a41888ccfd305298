import numpy as np

from ml_pipeline.metrics.trends.recursive_residuals import Floats, Values


def step_day(values: Values, design: Floats, weights: Values, since: int) -> int:
    """Return from which day on a step explains the values best, by least squares; not before the day ``since``.

    The model is that of ``recursive_residuals`` with one step more; with normal noise this is the likeliest day.

    Hinkley (1970): Inference about the change-point in a sequence of random variables.

    >>> step_day([5.0, 5.2, 5.1, 7.0, 7.2], np.ones((5, 1)), [1] * 5, since=1)
    3
    """
    roots = np.sqrt(np.asarray(weights))
    days = np.arange(len(values))

    def unexplained(day: int) -> float:
        model = np.column_stack([design, days >= day]) * roots[:, None]
        fitted = model @ np.linalg.lstsq(model, np.asarray(values) * roots)[0]
        return float(np.sum((np.asarray(values) * roots - fitted) ** 2))

    return min(range(since, len(values)), key=unexplained)
