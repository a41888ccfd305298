"""What a rollout may do wrong, how often, and what it must have shown before it goes on."""

from dataclasses import dataclass

from ml_pipeline.vocabulary.rollouts import STEPS, Step

SALES_PART, SENTINELS_PART, QUALITY_PART = 0.5, 0.4, 0.1
"""How the chance of a false stop is divided among all tests of a rollout: sales and rare faults have least to go by."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Each error is a chance over the whole rollout, however often it is looked at.

    ``false_stop``: that a challenger is taken back that does no harm. ``false_advance``: that a step goes on though
    sales, or the quality of the model, are worse by the margin. ``false_superiority``: that more sales are claimed of
    a challenger that makes none. ``sales_margin``: the part of the champion's sales that may be lost at most.
    ``quality_margin``: log loss in nats. ``min_shadow``: conversations that both versions scored before the canary.
    """

    steps: tuple[Step, ...] = STEPS
    false_stop: float = 0.05
    false_advance: float = 0.025
    false_superiority: float = 0.01
    sales_margin: float = 0.15
    quality_margin: float = 0.01
    min_shadow: int = 500

    @property
    def sales_alpha(self) -> float:
        return SALES_PART * self.false_stop

    @property
    def sentinels_alpha(self) -> float:
        return SENTINELS_PART * self.false_stop

    @property
    def quality_alpha(self) -> float:
        return QUALITY_PART * self.false_stop
