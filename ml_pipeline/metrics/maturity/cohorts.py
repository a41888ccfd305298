"""Conversations counted by age: all that the estimates need to know of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ml_pipeline.metrics.maturity.aalen_johansen import Floats

POOLED = ""
"""The slice of all conversations."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Conversations by start day, and by the hour of their age in which they were sold or lost.

    ``sold``, ``lost`` and ``left`` have the shape (days, hours of the attribution window), ``started`` (days,); see
    ``cumulative_incidence``. Days on which nothing started are left out.
    """

    started: Floats
    sold: Floats
    lost: Floats
    left: Floats

    @property
    def conversations(self) -> int:
        return int(self.started.sum())

    @property
    def sales(self) -> int:
        return int(self.sold.sum())

    @property
    def days_with_sales(self) -> int:
        return int(np.count_nonzero(self.sold.sum(axis=1)))


@dataclass(frozen=True, slots=True)
class Worth:
    """What the sales of a window brought, and what is left of it, by whole hours since the sale.

    The last entry is of those whose refund window is over.
    """

    gross: Floats
    net: Floats


@dataclass(frozen=True, slots=True)
class Window:
    """Conversations that started in a window, sold or not.

    ``by_age`` counts them by the whole hours of their present age, the last entry those as old as the attribution
    window or older: the mature ones. ``open_by_age`` are those neither sold nor lost, ``sold`` those sold by now,
    within the attribution window, ``refundable`` those of them whose refund window is open. ``worth`` is by currency.
    """

    by_age: Floats
    open_by_age: Floats
    sold: int
    refundable: int = 0
    worth: Mapping[str, Worth] = field(default_factory=dict)

    @property
    def conversations(self) -> int:
        return int(self.by_age.sum())

    @property
    def mature(self) -> int:
        return int(self.by_age[-1])
