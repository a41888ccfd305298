"""The rate that a window of conversations will have reached once all of them are mature: sum of sold / sum of F(age).

Its interval crosses two errors. That of the delay curve is in its resampled references. That of the window is
Jeffreys' interval of the share sold so far, widened by the dispersion between the reference's days. The window's own
seven days are too few to be resampled: docs/maturity.md.

References: J. F. Lawless, Adjustments for reporting delays and the prediction of occurred but not reported events,
Canadian Journal of Statistics 22(1), 1994; L. D. Brown, T. T. Cai and A. DasGupta, Interval estimation for a binomial
proportion, Statistical Science 16(2), 2001.
"""

import numpy as np
from scipy import stats

from ml_pipeline.metrics.maturity.aalen_johansen import Floats
from ml_pipeline.metrics.maturity.cohorts import Window
from ml_pipeline.metrics.maturity.delay_curve import DelayCurve
from ml_pipeline.vocabulary.estimate import Estimate

BOUNDS = (0.025, 0.975)
QUANTILES = (np.arange(200) + 0.5) / 200
"""Where the window's error is evaluated: a grid in place of random draws."""


def mature_rate(window: Window) -> Estimate:
    """Return the rate of a window whose conversations are all mature: nothing is to be corrected."""
    return _estimate(window, 1.0, stats.beta.ppf(BOUNDS, *_beliefs(window, dispersion=1.0)))


def corrected_rate(window: Window, curve: DelayCurve) -> Estimate:
    """Return the rate corrected for sales that are not known yet. The mean of F over the window must be above 0."""
    likely = stats.beta.ppf(QUANTILES, *_beliefs(window, _dispersion(window, curve)))
    resampled = mean_known(window, curve.resampled)
    return _estimate(window, float(mean_known(window, curve.known)), np.quantile(likely / resampled[:, None], BOUNDS))


def mean_known(window: Window, known: Floats) -> Floats:
    """Return the mean of F over the window's conversations; ``known`` may hold several curves.

    A conversation that is not mature is half an hour older, on average, than its whole hours.
    """
    young = window.by_age[:-1] / 2
    by_whole_hour = np.concatenate([young, window.by_age[-1:]])
    by_whole_hour[1:] += young
    mean: Floats = known @ by_whole_hour / window.by_age.sum()
    return mean


def _beliefs(window: Window, dispersion: float) -> Floats:
    """Return the parameters of the beta distribution behind Jeffreys' interval."""
    return np.array([window.sold + 0.5, window.conversations - window.sold + 0.5]) / dispersion


def _dispersion(window: Window, curve: DelayCurve) -> float:
    """Return how much more the window's sales vary than independent ones would.

    What days have in common moves sales in proportion, so that it shows less in the fewer sales known so far.
    """
    in_proportion = mean_known(window, curve.known**2) / mean_known(window, curve.known)
    return 1 + (curve.dispersion - 1) * float(in_proportion)


def _estimate(window: Window, known: float, bounds: Floats) -> Estimate:
    """Return the estimate within [0, 1]; with no sale known, none is possible, with all sold, all are."""
    value = min(1.0, window.sold / window.conversations / known)
    low = float(bounds[0]) if window.sold else 0.0
    high = min(1.0, float(bounds[1])) if window.sold < window.conversations else 1.0
    return Estimate(value, min(low, value), high)
