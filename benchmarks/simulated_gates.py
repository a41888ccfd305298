"""Gates whose truth is known: calibrated scores of a candidate and a champion, correlated and as good as told.

Within a class, scores are normal with unit variance (the binormal model); the AUC sets how far the classes lie apart.
Of such scores, log odds = distance x score + constant, so what is answered are true probabilities.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, ndtri
from scipy.stats import norm

from ml_pipeline.models.gate import Answers
from ml_pipeline.models.gate.places import Slices
from ml_pipeline.models.scores import Block, Numbers

SLICES = {"language": 2, "program": 2, "platform": 4, "age_band": 5, "phase": 8, "customer": 2}
STRESSES = ("typos", "placeholders", "truncated context")
STRESS_NOISE = 0.5
LABEL_SHARE = 0.05


@dataclass(frozen=True)
class Setting:
    """``correlation``: of the two scores within a class. ``turns``: rows of one conversation, of one truth.

    ``shared``: correlation of the errors of two turns of a conversation.
    """

    rows: int
    improvement: float = 0.0
    auc: float = 0.78
    base: float = 0.11
    correlation: float = 0.9
    turns: int = 1
    shared: float = 0.6


@dataclass(frozen=True)
class Gate:
    block: Block
    candidate: Answers
    champion: Answers
    slices: Slices


def draw(setting: Setting, generator: np.random.Generator) -> Gate:
    """Return one gate block with the answers of both, in random slices, and under stresses that cost both alike."""
    conversations = setting.rows // setting.turns
    clusters = np.repeat(np.arange(conversations), setting.turns)
    truth = (generator.random(conversations) < setting.base)[clusters]
    weights = np.full(len(truth), 1 / setting.turns)
    block = Block(("sold",), truth[:, None], weights, clusters, weights)
    noise = _noise(setting, clusters, generator)
    aucs = (setting.auc + setting.improvement, setting.auc)
    candidate, champion = (
        _answers(name, truth, auc, each, setting.base, generator)
        for name, auc, each in zip(("candidate", "champion"), aucs, noise, strict=True)
    )
    slices = {
        name: generator.integers(count, size=conversations)[clusters].astype(str) for name, count in SLICES.items()
    }
    return Gate(block, candidate, champion, slices)


def draw_labels(conversations: int, generator: np.random.Generator) -> tuple[Block, Answers, Answers]:
    """Return a block of four labels that hold in a twentieth of the turns, and two equal models of them."""
    clusters = np.repeat(np.arange(conversations), 8)
    truth = generator.random((len(clusters), 4)) < LABEL_SHARE
    ours, theirs = (
        expit(
            1.2 * truth - 3 + 0.6 * generator.normal(size=(conversations, 4))[clusters]
            + 0.8 * generator.normal(size=truth.shape)
        )
        for _ in range(2)
    )  # fmt: skip
    block = Block(("a", "b", "c", "d"), truth, np.ones(len(clusters)), clusters)
    return block, Answers("candidate", ours), Answers("champion", theirs)


def _noise(setting: Setting, clusters: Numbers, generator: np.random.Generator) -> list[Numbers]:
    """Return the errors of both, correlated with each other and within conversations."""
    shared = 0.0 if setting.turns == 1 else setting.shared
    common, ours, theirs = (
        np.sqrt(shared) * generator.normal(size=int(clusters.max()) + 1)[clusters]
        + np.sqrt(1 - shared) * generator.normal(size=len(clusters))
        for _ in range(3)
    )
    return [np.sqrt(setting.correlation) * common + np.sqrt(1 - setting.correlation) * own for own in (ours, theirs)]


def _answers(
    name: str, truth: Numbers, auc: float, noise: Numbers, base: float, generator: np.random.Generator
) -> Answers:
    distance = np.sqrt(2) * ndtri(auc)
    score = noise + distance * truth
    worse = {stress: score + STRESS_NOISE * generator.normal(size=len(score)) for stress in STRESSES}
    return Answers(
        name,
        _calibrated(score, distance, base),
        {stress: _calibrated(told, distance, base) for stress, told in worse.items()},
    )


def _calibrated(score: Numbers, distance: float, base: float) -> Numbers:
    return np.asarray(expit(distance * score - distance**2 / 2 + logit(base)))[:, None]


def delong_promotes(gate: Gate, alpha: float) -> bool:
    """Tell whether DeLong's test (1988, midranks), on rows as if each were a customer's only one, calls ours better."""
    truth = gate.block.truth[:, 0]
    placed = [_placements(truth, answers.probabilities[:, 0]) for answers in (gate.candidate, gate.champion)]
    (our_hits, our_misses), (their_hits, their_misses) = placed
    variance = np.var(our_hits - their_hits, ddof=1) / len(our_hits)
    variance += np.var(our_misses - their_misses, ddof=1) / len(our_misses)
    return bool(np.mean(our_hits) - np.mean(their_hits) > norm.isf(alpha) * np.sqrt(variance))


def auc_of(gate: Gate) -> tuple[float, float]:
    """Return the measured AUC of the candidate and of the champion."""
    truth = gate.block.truth[:, 0]
    ours, theirs = (
        float(np.mean(_placements(truth, answers.probabilities[:, 0])[0]))
        for answers in (gate.candidate, gate.champion)
    )
    return ours, theirs


def _placements(truth: Numbers, score: Numbers) -> Sequence[Numbers]:
    """Return for each positive the share of negatives below it, for each negative the share of positives above it."""
    hits, misses = np.sort(score[truth]), np.sort(score[~truth])
    return np.searchsorted(misses, score[truth]) / len(misses), 1 - np.searchsorted(hits, score[~truth]) / len(hits)
