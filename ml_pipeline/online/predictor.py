"""Runs a linear bundle in plain Python, equal to the scikit-learn pipeline it was exported from to 1e-9."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from ml_pipeline.errors import BundleError
from ml_pipeline.online.bundle import LinearBundle, OneHotBlock, ScaledBlock, Sigmoid, TfidfBlock
from ml_pipeline.online.features import REVISION, FeatureRow
from ml_pipeline.online.shapes import Answer

TOLERANCE = 1e-9

_WORD = re.compile(r"(?u)\b\w\w+\b")

Scores = list[float]
Contribution = Callable[[FeatureRow], Iterable[float]]
"""What a block adds to each label's score for a row."""


class Predictor:
    """A bundle, ready to answer."""

    def __init__(self, bundle: LinearBundle) -> None:
        """Prepare ``bundle``.

        Raises:
            BundleError: if it was made for other features, does not fit together, or does not answer its samples.
        """
        self.task, self.mode, self.version = bundle.task, bundle.mode, bundle.version
        self._labels = tuple(bundle.labels)
        try:
            self._thresholds = [bundle.thresholds[label] for label in self._labels]
            self._intercepts = [bundle.intercepts[label] for label in self._labels]
            self._calibration = [bundle.calibration.get(label, Sigmoid()) for label in self._labels]
            self._blocks = list(_prepare(bundle))
        except (KeyError, IndexError) as error:
            raise BundleError(f"bundle of {bundle.version} does not fit together: {error}; export it again") from error
        if bundle.feature_revision != REVISION:
            raise BundleError(
                f"bundle of {bundle.version} needs features {bundle.feature_revision}, this agent makes {REVISION}; "
                "use an agent of the same release"
            )
        try:
            self._prove(bundle)
        except (ArithmeticError, ValueError, TypeError) as error:
            raise BundleError(f"bundle of {bundle.version} cannot be run: {error}; export it again") from error

    def predict(self, row: FeatureRow) -> Answer:
        """Return the probability of each label for ``row``, and those at or above their thresholds."""
        scores = list(self._intercepts)
        for contribute in self._blocks:
            for index, part in enumerate(contribute(row)):
                scores[index] += part
        probabilities = [
            _sigmoid(sigmoid.a * score + sigmoid.b) for score, sigmoid in zip(scores, self._calibration, strict=True)
        ]
        held = sorted(
            (index for index, p in enumerate(probabilities) if p >= self._thresholds[index]),
            key=lambda index: -probabilities[index],
        )
        return Answer(dict(zip(self._labels, probabilities, strict=True)), tuple(self._labels[index] for index in held))

    def _prove(self, bundle: LinearBundle) -> None:
        if not bundle.samples:
            raise BundleError(f"bundle of {bundle.version} carries no sample to prove itself; export it again")
        for sample in bundle.samples:
            answer = self.predict(sample.row).probabilities
            for label, expected in sample.expected.items():
                if not abs(answer.get(label, math.nan) - expected) <= TOLERANCE:
                    raise BundleError(
                        f"bundle of {bundle.version} answers {answer.get(label)} for {label}, its sample says "
                        f"{expected}; export it again"
                    )


def _sigmoid(x: float) -> float:
    """1 / (1 + exp(x)) without overflow."""
    if x >= 0:
        small = math.exp(-x)
        return small / (1.0 + small)
    return 1.0 / (1.0 + math.exp(x))


def _prepare(bundle: LinearBundle) -> Iterator[Contribution]:
    rows = [bundle.coefficients[label] for label in bundle.labels]
    start = 0
    for block in bundle.blocks:
        width = _width(block)
        yield _contribution(block, [row[start : start + width] for row in rows])
        start += width
    if any(len(row) != start for row in rows):
        raise IndexError(f"{start} columns, {sorted({len(row) for row in rows})} coefficients")


def _width(block: TfidfBlock | OneHotBlock | ScaledBlock) -> int:
    if isinstance(block, TfidfBlock):
        return len(block.idf)
    return len(block.categories) if isinstance(block, OneHotBlock) else len(block.columns)


def _contribution(block: TfidfBlock | OneHotBlock | ScaledBlock, weights: list[list[float]]) -> Contribution:
    if isinstance(block, TfidfBlock):
        return _Tfidf(block, weights)
    if isinstance(block, OneHotBlock):
        return _one_hot(block, weights)
    return _scaled(block, weights)


class _Tfidf:
    def __init__(self, block: TfidfBlock, weights: list[list[float]]) -> None:
        self._column = block.column
        self._low, self._high = block.ngram_range
        self._grams = _word_grams if block.analyzer == "word" else _character_grams
        self._is_sublinear = block.sublinear_tf
        self._nothing = [0.0] * len(weights)
        # Per gram: its idf, and its weight for each label.
        self._table = {
            gram: (block.idf[at], tuple(row[at] for row in weights)) for gram, at in block.vocabulary.items()
        }

    def __call__(self, row: FeatureRow) -> Sequence[float]:
        table = self._table
        counts = Counter(gram for gram in self._grams(_text(row, self._column), self._low, self._high) if gram in table)
        if not counts:
            return self._nothing
        sums = list(self._nothing)
        squares = 0.0
        for gram, count in counts.items():
            idf, weights = table[gram]
            value = ((1.0 + math.log(count)) if self._is_sublinear else count) * idf
            squares += value * value
            for index, weight in enumerate(weights):
                sums[index] += value * weight
        norm = math.sqrt(squares)
        return [total / norm for total in sums] if norm else self._nothing


def _one_hot(block: OneHotBlock, weights: list[list[float]]) -> Contribution:
    by_category = {category: [row[at] for row in weights] for at, category in enumerate(block.categories)}
    nothing = [0.0] * len(weights)
    return lambda row: by_category.get(_text(row, block.column), nothing)


def _scaled(block: ScaledBlock, weights: list[list[float]]) -> Contribution:
    scaled = list(zip(block.columns, block.mean, block.scale, strict=True))

    def contribute(row: FeatureRow) -> list[float]:
        values = [(float(row.get(column, 0.0)) - mean) / scale for column, mean, scale in scaled]
        return [sum(map(float.__mul__, values, label)) for label in weights]

    return contribute


def _text(row: FeatureRow, column: str) -> str:
    return str(row.get(column, ""))


def _word_grams(text: str, low: int, high: int) -> list[str]:
    """scikit-learn's word n-grams: lower case, words of two or more letters, joined by one space."""
    words = _WORD.findall(text.lower())
    grams = list(words) if low == 1 else []
    for length in range(max(low, 2), min(high, len(words)) + 1):
        grams.extend(" ".join(words[at : at + length]) for at in range(len(words) - length + 1))
    return grams


def _character_grams(text: str, low: int, high: int) -> list[str]:
    """scikit-learn's ``char_wb``: n-grams inside words padded by one space; a word too short counts once, whole."""
    grams: list[str] = []
    for word in text.lower().split():
        padded = f" {word} "
        for length in range(low, high + 1):
            grams.append(padded[:length])
            grams.extend(padded[at : at + length] for at in range(1, len(padded) - length + 1))
            if len(padded) <= length:
                break
    return grams
