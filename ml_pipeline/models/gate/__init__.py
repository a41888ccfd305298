"""The gate: what a candidate must pass. Knows answers and truth, and no dialogue."""

from ml_pipeline.models.gate.judge import judge
from ml_pipeline.models.gate.rules import GateRules, Stakes
from ml_pipeline.models.gate.values import Answers, Artifact, Check, Gain, Judgement, Place

__all__ = ["Answers", "Artifact", "Check", "Gain", "GateRules", "Judgement", "Place", "Stakes", "judge"]
