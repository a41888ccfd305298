"""The gate: numbers in, verdict out."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ml_pipeline.errors import TrainingError
from ml_pipeline.models.gate.duels import Duel, fight
from ml_pipeline.models.gate.guards import guard
from ml_pipeline.models.gate.places import MIN_CLUSTERS, Slices, in_slices, under_stress
from ml_pipeline.models.gate.rules import GateRules
from ml_pipeline.models.gate.values import Answers, Artifact, Check, Gain, Judgement, Place
from ml_pipeline.models.scores import Block
from ml_pipeline.vocabulary.verdicts import GateVerdict


def judge(
    block: Block,
    candidate: Answers,
    *,
    opponents: Sequence[Answers],
    rules: GateRules,
    slices: Slices | None = None,
    artifact: Artifact | None = None,
) -> Judgement:
    """Return PROMOTE if the candidate is surely better than every opponent that answered enough, and nowhere worse.

    Surely better: the one-sided lower bound of the paired gain in the primary metric is above 0, with errors by
    cluster. Beating all of several opponents needs no correction for their number: the weakest gain decides. ``slices``
    and ``artifact`` are checked where they are given.

    Raises:
        TrainingError: if answers do not fit the rows, or are no probabilities.
    """
    _require_answers(block, candidate, opponents)
    if (positives := block.examples()) < rules.min_positives:
        return _too_few(positives, rules.min_positives)
    duels = [fight(block, candidate.probabilities, opponent, rules.metric) for opponent in opponents]
    heard = {duel.name: duel for duel in duels if _is_enough(duel, rules)}
    if not heard:
        return _too_thin(duels, rules.min_positives)
    met = [opponent for opponent in opponents if opponent.name in heard]
    gains = {name: Gain(duel.gain.value, duel.gain.at_least(rules.alpha)) for name, duel in heard.items() if duel.gain}
    checks = [
        check for opponent in met for check in guard(heard[opponent.name], rules, is_baseline=opponent.is_baseline)
    ] + list(_of_artifact(artifact, rules))
    places = in_slices(block, candidate.probabilities, met, slices or {}, rules.metric)
    stresses = under_stress(block, candidate, met, rules.metric)
    failures = [*_short_gains(gains, rules), *_told(checks), *_told_worse((*places, *stresses))]
    verdict = GateVerdict.HOLD if failures else GateVerdict.PROMOTE
    reason = "; ".join([_told_gain(heard, gains, rules), *failures, *_unheard(duels, heard)])
    return Judgement(verdict, reason, gains, tuple(checks), places, stresses, alpha=rules.alpha)


def _require_answers(block: Block, candidate: Answers, opponents: Iterable[Answers]) -> None:
    if np.isnan(candidate.probabilities).any():
        raise TrainingError(f"{candidate.name} left rows of the gate block unanswered; it must answer them all")
    for answers in (candidate, *opponents):
        found = answers.probabilities
        if found.shape != block.truth.shape:
            raise TrainingError(
                f"{answers.name} answered {found.shape} where the gate block has {block.truth.shape} (rows x labels)"
            )
        known = found[~np.isnan(found)]
        if known.size and not (known.min() >= 0 and known.max() <= 1):
            raise TrainingError(f"{answers.name} answered outside of [0, 1]; the gate judges probabilities")


def _is_enough(duel: Duel, rules: GateRules) -> bool:
    if duel.gain is None:
        return False
    return duel.block.examples() >= rules.min_positives and duel.block.cluster_count >= MIN_CLUSTERS


def _short_gains(gains: Mapping[str, Gain], rules: GateRules) -> list[str]:
    if rules.alpha <= 0:
        return ["earlier gates spent the whole error budget, so nothing is sure enough"]
    if min(gain.low for gain in gains.values()) <= 0:
        return ["that is not sure enough"]
    least = min(gain.value for gain in gains.values())
    return [f"it gains {least:+.4f} where {rules.min_gain:+.4f} is asked for"] if least < rules.min_gain else []


def _told_gain(heard: Mapping[str, Duel], gains: Mapping[str, Gain], rules: GateRules) -> str:
    weakest = min(gains, key=lambda name: gains[name].low)
    opening = "surely better" if gains[weakest].low > 0 else "not surely better"
    names = ", ".join(f"{name} {duel.their_value:.3f}" for name, duel in heard.items())
    return (
        f"{opening}: {rules.metric} {heard[weakest].our_value:.3f} against {names}; over {weakest} it gains"
        f" {gains[weakest].value:+.4f}, at least {gains[weakest].low:+.4f} with {1 - rules.alpha:.2%} certainty"
    )


def _told(checks: Iterable[Check]) -> list[str]:
    return [
        f"{check.name}{f' against {check.opponent}' if check.opponent else ''} is {check.bound:.4g} where"
        f" {check.limit:.4g} is the limit"
        for check in checks
        if not check.holds
    ]


def _told_worse(places: Iterable[Place]) -> list[str]:
    return [
        f"surely worse than {place.opponent} in {place.name} ({place.gain.value:+.4f})"
        for place in places
        if place.is_worse
    ]


def _of_artifact(artifact: Artifact | None, rules: GateRules) -> Iterable[Check]:
    if artifact is None:
        return
    if artifact.refusal:
        yield Check(artifact.refusal, "", 1, 1, 0, holds=False)
        return
    for name, value, limit in (
        ("answer_ms", artifact.answer_ms, rules.max_answer_ms),
        ("bundle_bytes", float(artifact.size_bytes), rules.max_bundle_bytes),
        *((f"personal terms of kind {kind}", float(count), 0.0) for kind, count in artifact.personal.items()),
    ):
        yield Check(name, "", value, value, limit, value <= limit)


def _unheard(duels: Iterable[Duel], heard: Mapping[str, Duel]) -> list[str]:
    return [
        f"{duel.name} answered {len(duel.ours) or 'none'} of these rows, too few to count"
        for duel in duels
        if duel.name not in heard
    ]


def _too_few(positives: int, min_positives: int) -> Judgement:
    needed = min_positives - positives
    reason = f"{positives} examples in the gate block where {min_positives} are needed: {needed} more"
    return Judgement(GateVerdict.NOT_ENOUGH_DATA, reason, needed=needed)


def _too_thin(duels: Sequence[Duel], min_positives: int) -> Judgement:
    scored = [duel for duel in duels if duel.gain is not None]
    if not scored:
        reason = "no label has five examples of either class in the gate block"
        return Judgement(GateVerdict.NOT_ENOUGH_DATA, reason)
    most = max(scored, key=lambda duel: duel.block.examples())
    if most.block.examples() < min_positives:
        return _too_few(most.block.examples(), min_positives)
    reason = (
        f"the gate block holds {most.block.cluster_count} customers or conversations where {MIN_CLUSTERS} are needed"
    )
    return Judgement(GateVerdict.NOT_ENOUGH_DATA, reason)
