from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

Direction = Literal["above", "below"]


class State(StrEnum):
    """Where a figure lies.

    ``FIRING``: surely beyond the bound. ``QUIET``: on the good side of the clear bound. ``BETWEEN``: neither, so that
    an alert neither opens nor resolves. ``UNKNOWN``: too few samples to say; everything stays as it is.
    """

    FIRING = "firing"
    BETWEEN = "between"
    QUIET = "quiet"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says of one subject. ``evidence``, ready for JSON, names the hours or ids that it comes from.

    ``headline`` is one sentence with its numbers. It is kept for ever, so it holds nothing that a customer said.
    """

    subject: str
    state: State
    value: float
    bound: float
    n: int
    headline: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


def place(value: float, interval: tuple[float, float], *, direction: Direction, bound: float, clear: float) -> State:
    """Return where ``value`` lies, of which ``interval`` is sure.

    >>> place(0.2, (0.15, 0.25), direction="above", bound=0.1, clear=0.08)
    <State.FIRING: 'firing'>
    >>> place(0.2, (0.05, 0.45), direction="above", bound=0.1, clear=0.08)
    <State.BETWEEN: 'between'>
    >>> place(0.9, (0.8, 0.95), direction="below", bound=0.5, clear=0.6)
    <State.QUIET: 'quiet'>
    """
    low, high = interval
    if direction == "below":
        value, low, bound, clear = -value, -high, -bound, -clear
    if low > bound:
        return State.FIRING
    return State.QUIET if value <= clear else State.BETWEEN
