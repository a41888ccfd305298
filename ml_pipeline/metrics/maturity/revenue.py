"""Revenue: what sales brought, what is left of it, and what will be left once both windows have closed."""

from dataclasses import dataclass

import numpy as np

from ml_pipeline.metrics.maturity.aalen_johansen import Floats, cumulative_incidence
from ml_pipeline.metrics.maturity.cohorts import Worth


@dataclass(frozen=True, slots=True)
class Revenue:
    """Of one currency. ``expected_net`` is None where it cannot be said."""

    gross: float
    net: float
    expected_net: float | None


def kept_share(refunds: Floats, sales: int) -> Floats:
    """Return the share of sales not refunded at 0, 1, 2, … whole hours after the sale.

    ``refunds`` counts them by hours since the sale; every sale was watched to the end.

    >>> kept_share(np.array([0.0, 1.0, 1.0]), sales=10).round(3).tolist()
    [1.0, 1.0, 0.9, 0.8]
    """
    nobody = np.zeros_like(refunds)
    return 1 - cumulative_incidence(np.array(float(sales)), refunds, nobody, nobody).sold


def revenue(worth: Worth, known: float | None, kept: Floats | None) -> Revenue:
    """Return the revenue of a window that lets one know of the share ``known`` of its sales.

    A sale that stands so long after it was made stays with P(kept to the end) / P(kept so long); one still to come,
    with P(kept to the end), and is worth as much as the others.
    """
    gross, net = float(worth.gross.sum()), float(worth.net.sum())
    if known is None or kept is None:
        return Revenue(gross, net, None)
    stays = np.divide(kept[-1], kept, out=np.zeros_like(kept), where=kept > 0)
    return Revenue(gross, net, float(worth.net @ stays) + gross * (1 / known - 1) * float(kept[-1]))
