"""Arms against the control arm of their experiment. Conversations are taken for independent of each other."""

import math
from collections.abc import Callable

from ml_pipeline.metrics.metric import Bounded, Controls, Figure, Slices

ARM = "arm="
UNTOLD = "currency=,"
Z95 = 1.959964


def share_lifts(slices: Slices, controls: Controls) -> dict[str, Bounded]:
    """Return by how much the share of each arm is above that of its control.

    The interval is Newcombe's (1998, method 10), from the Wilson intervals of both shares.

    >>> slices = {"arm=greeting/cold": Figure(0.1, 200), "arm=greeting/warm": Figure(0.2, 200)}
    >>> lift = share_lifts(slices, {"greeting": "cold"})["arm=greeting/warm"]
    >>> lift.value, round(lift.low, 3), round(lift.high, 3)
    (0.1, 0.03, 0.17)
    """
    return _lifts(slices, controls, _share_difference)


def mean_lifts(slices: Slices, controls: Controls) -> dict[str, Bounded]:
    """Return by how much the mean of each arm is above that of its control.

    The interval is the normal one of two means with unequal variances (Welch), none without their mean squares.
    """
    return _lifts(slices, controls, _mean_difference)


def _lifts(slices: Slices, controls: Controls, difference: Callable[[Figure, Figure], Bounded]) -> dict[str, Bounded]:
    known = _with_noughts(slices)
    found = {}
    for name, figure in known.items():
        before, is_arm, arm = name.partition(ARM)
        experiment = max((each for each in controls if is_arm and arm.startswith(f"{each}/")), key=len, default=None)
        control = f"{before}{ARM}{experiment}/{controls[experiment]}" if experiment else name
        if control in known and control != name and before != UNTOLD:
            found[name] = difference(figure, known[control])
    return found


def _with_noughts(slices: Slices) -> dict[str, Figure]:
    """Return the slices, and for arms that sold nothing in a currency that others sold in, that they did."""
    told = {name.partition(ARM)[0] for name in slices if ARM in name} - {"", UNTOLD}
    noughts = {
        f"{currency}{name.removeprefix(UNTOLD)}": Figure(0.0, figure.n, 0.0)
        for name, figure in slices.items()
        if name.startswith(f"{UNTOLD}{ARM}")
        for currency in told
    }
    return noughts | dict(slices)


def _share_difference(arm: Figure, control: Figure) -> Bounded:
    difference = arm.value - control.value
    (arm_low, arm_high), (control_low, control_high) = _wilson(arm), _wilson(control)
    below = math.hypot(arm.value - arm_low, control_high - control.value)
    above = math.hypot(arm_high - arm.value, control.value - control_low)
    return Bounded(difference, arm.n, difference - below, difference + above)


def _wilson(share: Figure) -> tuple[float, float]:
    square = Z95**2 / share.n
    centre = (share.value + square / 2) / (1 + square)
    reach = Z95 / (1 + square) * math.sqrt(share.value * (1 - share.value) / share.n + square / (4 * share.n))
    return centre - reach, centre + reach


def _mean_difference(arm: Figure, control: Figure) -> Bounded:
    difference = arm.value - control.value
    of_arm, of_control = _squared_error(arm), _squared_error(control)
    if of_arm is None or of_control is None:
        return Bounded(difference, arm.n)
    reach = Z95 * math.sqrt(of_arm + of_control)
    return Bounded(difference, arm.n, difference - reach, difference + reach)


def _squared_error(mean: Figure) -> float | None:
    """Return the squared standard error of a mean."""
    if mean.mean_square is None or mean.n < 2:
        return None
    return max(mean.mean_square - mean.value**2, 0.0) / (mean.n - 1)
