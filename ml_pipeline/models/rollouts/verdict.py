"""One look at a rollout: evidence in, verdict out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ml_pipeline.models.rollouts.evidence import Evidence
from ml_pipeline.models.rollouts.rules import Rules

Act = Literal["advance", "stay", "take_back", "promote"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reason`` is for people; ``numbers`` goes into the evidence of the decision, plain JSON."""

    act: Act
    reason: str
    numbers: Mapping[str, Any]


def judge(evidence: Evidence, rules: Rules) -> Verdict:
    """Return what is to be done: take back on proven harm, go on where the step has shown enough, else stay."""
    return Verdict("stay", "nothing is known yet", {})
