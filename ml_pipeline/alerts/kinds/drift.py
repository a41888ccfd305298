from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from ml_pipeline.alerts.rule import Rule
from ml_pipeline.alerts.verdict import State, Verdict
from ml_pipeline.vocabulary.interval import Interval

CheckKind = Literal["data", "prediction", "label", "performance", "delay"]

RANKS: Mapping[str, int] = {"none": 0, "warning": 1, "critical": 2}


@dataclass(frozen=True, slots=True)
class Reading:
    """The newest check of one subject that ended in the window."""

    subject: str
    window: Interval
    severity: str
    has_drifted: bool
    n: int
    evidence: Mapping[str, Any]


class Drift(Rule, frozen=True, kw_only=True, tag="drift"):
    """A drift finding of at least a severity stands: it fires until a newer check of the subject finds nothing.

    ``check_kinds`` and ``subject`` pick checks; ``*`` stands for anything in a subject. Findings are significant by
    themselves.
    """

    check_kinds: Annotated[tuple[CheckKind, ...], msgspec.Meta(min_length=1)]
    subject: str = "*"
    at_least: Literal["warning", "critical"] = "critical"

    def judge(self, reading: Reading) -> Verdict:
        rank = RANKS[reading.severity] if reading.has_drifted else 0
        return Verdict(
            reading.subject,
            State.FIRING if rank >= RANKS[self.at_least] else State.QUIET,
            rank,
            RANKS[self.at_least],
            reading.n,
            # The finding's own sentence may hold words of customers; it stands in drift_checks.
            f"{reading.subject} has drifted, {reading.severity}, in the window up to "
            f"{reading.evidence['window_end']:%Y-%m-%d %H:%M} UTC (n = {reading.n:,}).",
            reading.evidence,
        )
