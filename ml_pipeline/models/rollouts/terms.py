"""How rollouts are to go: what an operator chose."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from ml_pipeline.models.rollouts.rules import Rules
from ml_pipeline.settings import Settings
from ml_pipeline.vocabulary.approvals import ApprovalRule
from ml_pipeline.vocabulary.rollouts import Step


@dataclass(frozen=True, slots=True)
class Terms:
    """Without ``rules.steps`` what passed its gate is champion at once.

    ``holdback_share`` of the conversations stays with the former champion for ``holdback_days``; 0 of either: none.
    ``sale_age``: how old a conversation is when its sale is looked at.
    """

    rules: Rules
    holdback_share: float = 0.0
    holdback_days: float = 0.0
    approvals: tuple[ApprovalRule, ...] = ()
    sale_age: timedelta = timedelta(days=7)

    @property
    def holds_back(self) -> bool:
        return bool(self.rules.steps) and self.holdback_share > 0 and self.holdback_days > 0


AT_ONCE = Terms(Rules(steps=()))
"""No rollout: what passed its gate is champion."""


def terms_of(settings: Settings) -> Terms:
    """Return what the settings say of rollouts."""
    return Terms(
        Rules(
            steps=tuple(sorted(settings.rollout_steps, key=lambda step: step.share)),
            false_stop=settings.rollout_false_stop,
            false_advance=settings.rollout_false_advance,
            false_superiority=settings.rollout_false_superiority,
            sales_margin=settings.rollout_sales_margin,
            quality_margin=settings.rollout_quality_margin,
            min_shadow=settings.rollout_min_shadow,
        ),
        settings.holdback_share,
        settings.holdback_days,
        settings.approvals,
        timedelta(days=min(settings.rollout_sale_days, settings.attribution_days)),
    )


def steps_from(steps: tuple[Step, ...], share: float) -> tuple[tuple[Step, ...], int]:
    """Return the steps of a canary that has this share, and which of them it is at: a setting may change on the way.

    >>> steps, at = steps_from((Step(0.05, 200), Step(0.5, 1000)), 0.1)
    >>> [step.share for step in steps], at, steps[at].min_matured
    ([0.05, 0.1, 0.5], 1, 200)
    """
    others = [step for step in steps if not np.isclose(step.share, share)]
    below = tuple(step for step in others if step.share < share)
    above = tuple(step for step in others if step.share > share)
    here = next((step for step in steps if np.isclose(step.share, share)), None)
    nearest = here or (below[-1] if below else above[0] if above else Step(share, 0))
    return (*below, Step(share, nearest.min_matured), *above), len(below)
