"""What is said of served answers: how good they were, what harm a promotion did, what hindsight would have served."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import t
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from ml_pipeline.models.scores import Flags, Numbers

Blocks = Sequence[tuple[int, int]]
"""From which call to before which."""
HARM_FLOOR = 0.01
"""Nats: less is no harm, however sure it is."""
HARM_ALPHA = 0.05


def losses(probability: Numbers, is_positive: Flags) -> Numbers:
    """Return the log loss of each answer, in nats."""
    right = np.where(is_positive, probability, 1 - probability)
    return -np.log(np.maximum(right, 1e-15))


def is_harmful(ours: Numbers, theirs: Numbers) -> bool:
    """Tell whether who was promoted lost surely, and noticeably, more on the same calls than who was replaced.

    >>> is_harmful(np.array([0.9, 1.1, 1.0]), np.array([0.5, 0.5, 0.5]))
    True
    >>> is_harmful(np.array([0.1, 1.9, 1.0]), np.array([0.5, 0.5, 0.5]))
    False
    """
    extra = ours - theirs
    error = float(extra.std(ddof=1)) / np.sqrt(len(extra))
    surely = extra.mean() - float(t.ppf(1 - HARM_ALPHA, len(extra) - 1)) * error
    return bool(extra.mean() > HARM_FLOOR and surely > 0)


def best_in_hindsight(versions: Sequence[Numbers], is_positive: Flags, blocks: Blocks) -> Numbers:
    """Return per call what the version answered that lost least in the call's block, of those trained before it.

    ``versions``: answers to every call, nan for those that taught. Calls outside of ``blocks`` stay nan.
    """
    served = np.full(len(is_positive), np.nan)
    for begin, end in blocks:
        known = [answers[begin:end] for answers in versions if not np.isnan(answers[begin])]
        served[begin:end] = min(known, key=lambda told: float(losses(told, is_positive[begin:end]).mean()))
    return served


def figures_of(served: Numbers, is_positive: Flags, blocks: Blocks) -> Mapping[str, float]:
    """Return the figures over all of ``blocks``, and the mean AUC of a block; blocks of one class have none."""
    places = np.concatenate([np.arange(begin, end) for begin, end in blocks])
    truth, answers = is_positive[places], served[places]
    by_block = [
        roc_auc_score(is_positive[begin:end], served[begin:end])
        for begin, end in blocks
        if 0 < is_positive[begin:end].sum() < end - begin
    ]
    return {
        "log_loss": float(log_loss(truth, answers)),
        "brier": float(brier_score_loss(truth, answers)),
        "auc": float(roc_auc_score(truth, answers)),
        "auc_of_a_block": float(np.mean(by_block)),
    }
