"""Classifier two-sample test for texts.

Can a classifier tell recent texts from those of the reference? Half of the conversations train it, the other half is
scored: as the classifier is fixed before it sees them, their scores are two independent samples, and a rank test on
them keeps its level however many words there are.

References: D. Lopez-Paz and M. Oquab, Revisiting classifier two-sample tests, ICLR 2017; J. H. Friedman, On
multivariate goodness-of-fit and two-sample testing, 2003.
"""

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ml_pipeline.drift.comparison import Comparison
from ml_pipeline.drift.psi import bin_counts, decile_edges, population_stability_index

MAX_WORDS = 2_000
MIN_CONVERSATIONS_PER_WORD = 20
"""A word is named in the evidence when this many conversations hold it: what one customer said is never quoted."""
NAMED_WORDS = 5


class Text(NamedTuple):
    """A text and the conversation it comes from, which decides the half it falls into."""

    conversation_id: str
    content: str


def compare(reference: Sequence[Text], recent: Sequence[Text]) -> Comparison:
    """Compare texts, one per conversation; the effect is the PSI of the classifier's scores on the unseen half."""
    then, now = sorted(reference), sorted(recent)
    scores = _scores(_half(then, 0), _half(now, 0), _half(then, 1), _half(now, 1))
    if scores is None:
        return Comparison("domain_classifier", statistic=0.5, p_value=1.0, effect=0.0, psi=0.0)
    scores_then, scores_now = scores
    result = stats.mannwhitneyu(scores_now, scores_then, alternative="greater", method="asymptotic")
    edges = decile_edges(scores_then)
    psi = population_stability_index(bin_counts(edges, scores_then), bin_counts(edges, scores_now))
    return Comparison(
        test="domain_classifier",
        statistic=float(result.statistic) / (len(scores_then) * len(scores_now)),
        p_value=float(np.nan_to_num(result.pvalue, nan=1.0)),
        effect=psi,
        psi=psi,
        evidence={"words": _changed_words(then, now)},
    )


def _half(texts: Sequence[Text], half: int) -> list[str]:
    return [text.content for text in texts if zlib.crc32(text.conversation_id.encode()) & 1 == half]


def _scores(
    train_then: list[str], train_now: list[str], held_then: list[str], held_now: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the held-out texts' scores, higher for recent ones; None where there is no word to learn from."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    if not (train_then and train_now and held_then and held_now):
        return None
    vectorizer = TfidfVectorizer(max_features=MAX_WORDS, sublinear_tf=True)
    try:
        rows = vectorizer.fit_transform(train_then + train_now)
    except ValueError:  # an empty vocabulary: nobody said a word
        return None
    is_recent = np.repeat([0, 1], [len(train_then), len(train_now)])
    classifier = LogisticRegression(class_weight="balanced", solver="liblinear").fit(rows, is_recent)
    return (
        classifier.decision_function(vectorizer.transform(held_then)),
        classifier.decision_function(vectorizer.transform(held_now)),
    )


def _changed_words(then: Sequence[Text], now: Sequence[Text]) -> list[dict[str, Any]]:
    """Return the words whose share of conversations changed most, in standard errors, with both shares."""
    held_then, held_now = _conversations_per_word(then), _conversations_per_word(now)
    changes = []
    for word in held_then | held_now:
        total = held_then[word] + held_now[word]
        if total < MIN_CONVERSATIONS_PER_WORD:
            continue
        shares = held_then[word] / len(then), held_now[word] / len(now)
        pooled = total / (len(then) + len(now))
        error = (pooled * (1 - pooled) * (1 / len(then) + 1 / len(now))) ** 0.5
        changes.append((abs(shares[1] - shares[0]) / error if error else 0.0, word, shares))
    changes.sort(key=lambda change: (-change[0], change[1]))
    return [
        {"word": word, "reference_share": shares[0], "recent_share": shares[1]}
        for distance, word, shares in changes[:NAMED_WORDS]
        if distance
    ]


def _conversations_per_word(texts: Sequence[Text]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(set(re.findall(r"[^\W\d_]{3,}", text.content.lower())))
    return counts
