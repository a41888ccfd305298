"""The gate: numbers in, verdict out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ml_pipeline.models.evaluation import Duel
from ml_pipeline.vocabulary.verdicts import GateVerdict


@dataclass(frozen=True, slots=True)
class GateRules:
    """``alpha``: one-sided error of this gate. ``min_positives``: examples below which nothing is decided."""

    alpha: float
    min_positives: int


@dataclass(frozen=True, slots=True)
class Gain:
    """The improvement over an opponent, and what it is at least, at the gate's error."""

    value: float
    low: float


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: GateVerdict
    reason: str
    gains: Mapping[str, Gain] = field(default_factory=dict)
    needed: int = 0


MIN_CLUSTERS = 10
"""From fewer customers or conversations resampling tells nothing about the next one."""


def judge(metric: str, positives: int, duels: Sequence[Duel], rules: GateRules) -> Judgement:
    """Return PROMOTE if the candidate is surely better than every opponent that answered enough examples.

    Beating all of several opponents needs no correction for their number: the weakest gain decides.
    """
    if positives < rules.min_positives:
        return _too_few(positives, rules.min_positives)
    heard = {duel.name: duel for duel in duels if _is_enough(duel, rules)}
    if not heard:
        return _too_thin(duels, rules.min_positives)
    gains = {
        name: Gain(float(duel.gain[0]), float(np.quantile(duel.gain[1:], rules.alpha))) for name, duel in heard.items()
    }
    weakest = min(heard, key=lambda name: gains[name].low)
    verdict = GateVerdict.PROMOTE if gains[weakest].low > 0 else GateVerdict.HOLD
    opening = "surely better" if verdict is GateVerdict.PROMOTE else "not surely better"
    names = ", ".join(f"{name} {duel.theirs:.3f}" for name, duel in heard.items())
    reason = (
        f"{opening}: {metric} {heard[weakest].ours:.3f} against {names}; over {weakest} it gains"
        f" {gains[weakest].value:+.3f}, at least {gains[weakest].low:+.3f} with {1 - rules.alpha:.0%} certainty"
    )
    for duel in duels:
        if duel.name not in heard:
            reason += f"; {duel.name} answered {duel.rows or 'none'} of these rows, too few to count"
    return Judgement(verdict, reason, gains)


def _is_enough(duel: Duel, rules: GateRules) -> bool:
    return duel.positives >= rules.min_positives and duel.clusters >= MIN_CLUSTERS


def _too_few(positives: int, min_positives: int) -> Judgement:
    needed = min_positives - positives
    reason = f"{positives} examples in the gate block where {min_positives} are needed: {needed} more"
    return Judgement(GateVerdict.NOT_ENOUGH_DATA, reason, needed=needed)


def _too_thin(duels: Sequence[Duel], min_positives: int) -> Judgement:
    if not any(duel.positives for duel in duels):
        reason = "no label has five examples of either class in the gate block"
        return Judgement(GateVerdict.NOT_ENOUGH_DATA, reason)
    most = max(duels, key=lambda duel: duel.positives)
    if most.positives < min_positives:
        return _too_few(most.positives, min_positives)
    reason = f"the gate block holds {most.clusters} customers or conversations where {MIN_CLUSTERS} are needed"
    return Judgement(GateVerdict.NOT_ENOUGH_DATA, reason)
