from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the canary. ``min_matured``: challenger conversations of full age it must have seen before the next."""

    share: float
    min_matured: int


STEPS = (Step(0.05, 200), Step(0.25, 500), Step(0.5, 1000))
