"""What may not get worse while the primary metric gets better: non-inferiority, each within a margin."""

from collections.abc import Callable

import numpy as np

from ml_pipeline.models.clustered import Score, figures, mean, row_mean, seen_by
from ml_pipeline.models.gate.duels import Duel
from ml_pipeline.models.gate.rules import GateRules, Stakes
from ml_pipeline.models.gate.values import Check
from ml_pipeline.models.scores import Block, Numbers

GUARD_ALPHA = 0.05
"""Of each bound: the chance of passing a candidate that is worse by the whole margin. Equal ones cost the budget
nothing here, since the primary bound decides about them."""
AUC_MARGIN = 0.02
BRIER_MARGIN, BRIER_SHARE = 0.002, 0.02
ECE_MARGIN = 0.02
ROUNDING = 1e-12


def guard(duel: Duel, rules: GateRules, *, is_baseline: bool) -> list[Check]:
    """Return the checks of ``rules.guards`` against one opponent.

    Calibration error is not compared with a baseline: one that answers few different values has few bins to be wrong
    in, and the Brier score sees calibration too.
    """
    names = [name for name in rules.guards if not (is_baseline and name == "ece")]
    return [_GUARDS[name](duel, rules) for name in names]


def profit(block: Block, answers: Numbers, stakes: Stakes) -> Score:
    """Return what acting on ``answers`` wins per decision: hits times their value, less what the actions cost.

    One acts where the probability says that it pays (Vickers and Elkin, 2006, net benefit); mean over the labels.
    """
    acts = answers >= stakes.threshold
    return mean(
        row_mean(seen_by(block, label), acts[:, label] * (stakes.hit_value * block.truth[:, label] - stakes.act_cost))
        for label in block.scored()
    )


def _auc(duel: Duel, rules: GateRules) -> Check:
    ours, theirs = _both(duel, "auc")
    change = ours - theirs
    low = change.at_least(GUARD_ALPHA)
    return Check("auc", duel.name, change.value, low, -AUC_MARGIN, low >= -AUC_MARGIN)


def _brier(duel: Duel, rules: GateRules) -> Check:
    ours, theirs = _both(duel, "brier")
    change = ours - theirs
    high, limit = change.at_most(GUARD_ALPHA), max(BRIER_MARGIN, BRIER_SHARE * theirs.value)
    return Check("brier", duel.name, change.value, high, limit, high <= limit)


def _ece(duel: Duel, rules: GateRules) -> Check:
    ours, theirs = _both(duel, "ece")
    limit = theirs.value + ECE_MARGIN
    return Check("ece", duel.name, ours.value, ours.value, limit, ours.value <= limit)


def _profit(duel: Duel, rules: GateRules) -> Check:
    ours, theirs = (profit(duel.block, answers, rules.stakes).value for answers in (duel.ours, duel.theirs))
    return Check("profit", duel.name, ours, ours, theirs, ours >= theirs - ROUNDING)


def _both(duel: Duel, metric: str) -> tuple[Score, Score]:
    unused = np.full(len(duel.block.labels), 0.5)
    ours, theirs = (figures(duel.block, answers, unused, (metric,))[metric] for answers in (duel.ours, duel.theirs))
    return ours, theirs


_GUARDS: dict[str, Callable[[Duel, GateRules], Check]] = {
    "auc": _auc,
    "brier": _brier,
    "ece": _ece,
    "profit": _profit,
}
