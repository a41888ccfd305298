from enum import StrEnum


class GateVerdict(StrEnum):
    """What the gate says of a candidate."""

    PROMOTE = "PROMOTE"
    HOLD = "HOLD"
    NOT_ENOUGH_DATA = "NOT ENOUGH DATA"


class Severity(StrEnum):
    """How much a failed check matters: ``critical`` holds hours back, ``warning`` only tells."""

    CRITICAL = "critical"
    WARNING = "warning"
