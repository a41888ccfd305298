"""What the gate asks of a candidate."""

from dataclasses import dataclass

GUARDS = ("auc", "brier", "ece", "profit")
"""What must not get worse while the primary metric gets better; see ``guards``."""


@dataclass(frozen=True, slots=True)
class Stakes:
    """What calling a label is worth where it holds, and what acting on a call costs; the label's own currency."""

    hit_value: float = 1.0
    act_cost: float = 0.1

    @property
    def threshold(self) -> float:
        """Probability from which acting pays."""
        return self.act_cost / self.hit_value


@dataclass(frozen=True, slots=True)
class GateRules:
    """``metric``: the primary one, of ``HIGHER_IS_BETTER``.

    ``alpha``: one-sided error of this gate. ``min_positives``: examples below which nothing is decided.
    ``min_gain``: what the measured improvement must reach; its bound must only be above 0.
    ``max_answer_ms``, ``max_bundle_bytes``: budget of the candidate as the agent runs it.
    """

    metric: str
    alpha: float
    min_positives: int = 50
    min_gain: float = 0.0
    stakes: Stakes = Stakes()
    guards: tuple[str, ...] = GUARDS
    max_answer_ms: float = float("inf")
    max_bundle_bytes: float = float("inf")
