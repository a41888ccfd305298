"""Cumulative incidence of sale by age, with explicit loss as a competing event.

A lost conversation can no longer be sold: it leaves the risk set by its own event and is never taken for one that was
merely not watched longer. Of the event-free, a conversation too young for an age says nothing of it.

References: O. O. Aalen and S. Johansen, An empirical transition matrix for non-homogeneous Markov chains based on
censored observations, Scandinavian Journal of Statistics 5(3), 1978; for the competing risks, J. D. Kalbfleisch and R.
L. Prentice, The Statistical Analysis of Failure Time Data, 1980.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Incidence:
    """Shares of conversations at the age of 0, 1, 2, … whole hours, on the last axis.

    ``sold``: sold before that age. ``open``: neither sold nor lost before it.
    """

    sold: Floats
    open: Floats


def cumulative_incidence(started: Floats, sold: Floats, lost: Floats, left: Floats) -> Incidence:
    """Return the incidence at the ages 0 to H hours.

    ``sold`` and ``lost`` count first events in each hour of age, ``left`` the event-free that were watched up to the
    beginning of that hour and no longer; their last axis has length H. ``started`` counts all conversations, on the
    axes before it. An hour that nobody was watched in adds nothing.

    Ten conversations, two sold and five lost in their first hour; one is too young for the second, one of two left
    sold:

    >>> found = cumulative_incidence(*(np.array(n, float) for n in (10, [2, 1], [5, 0], [0, 1])))
    >>> found.sold.round(3).tolist(), found.open.round(3).tolist()
    ([0.0, 0.2, 0.35], [1.0, 0.3, 0.15])
    """
    ended = sold + lost
    at_risk = started[..., None] - np.cumsum(left, axis=-1) - (np.cumsum(ended, axis=-1) - ended)
    watched = np.where(at_risk > 0, at_risk, 1.0)
    open_after = np.cumprod(1 - ended / watched, axis=-1)
    open_before = np.concatenate([np.ones_like(open_after[..., :1]), open_after], axis=-1)
    sold_by = np.cumsum(open_before[..., :-1] * sold / watched, axis=-1)
    return Incidence(np.concatenate([np.zeros_like(sold_by[..., :1]), sold_by], axis=-1), open_before)
