"""Scores of a linear bundle, in plain Python, equal to the scikit-learn pipeline it was exported from to 1e-9."""

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from operator import itemgetter, mul

from ml_pipeline.online.bundle import LinearBundle, OneHotBlock, Part, ScaledBlock, Terms, TfidfBlock, Words
from ml_pipeline.online.features import FeatureRow
from ml_pipeline.online.words import chunks_of, hide_unknown, words_of

CHUNKS_REMEMBERED = 2_048  # of a block, with what it knows of their pieces: 1 MB

Scores = list[float]
Contribution = Callable[[FeatureRow], Scores | None]
"""What a block adds to each label's score for a row; None where that is nothing."""
Pick = Callable[[Sequence[float]], tuple[float, ...]]


class LinearScorer:
    """A linear model under construction until its last part is added."""

    def __init__(self, model: LinearBundle) -> None:
        self._intercepts = [model.intercepts[label] for label in model.labels]
        self._words: set[str] = set()
        self._text_blocks = {
            place: _TextBlock(block, self._words, len(model.labels))
            for place, block in enumerate(model.blocks)
            if isinstance(block, TfidfBlock)
        }
        self._blocks: list[Contribution] = [*self._text_blocks.values(), *_narrow_blocks(model)]

    def add(self, part: Part) -> None:
        """Take in a part of the model."""
        if isinstance(part, Words):
            self._words.update(part.words)
        elif isinstance(part, Terms):
            self._text_blocks[part.block].add(part)
        else:
            raise TypeError(f"a linear model has no {type(part).__name__}")

    def scores(self, row: FeatureRow) -> Scores:
        """Return the score of each label."""
        scores = self._intercepts
        for contribute in self._blocks:
            if parts := contribute(row):
                scores = [score + part for score, part in zip(scores, parts, strict=True)]
        return scores


class _TextBlock:
    """Figures stand in arrays, one value a term: a list of 300,000 floats would cost each garbage collection.

    Most terms stand once in a text. Theirs are picked from an array in one step and added, a third of the time that
    multiplying each takes.
    """

    def __init__(self, block: TfidfBlock, known: set[str], labels: int) -> None:
        self._column = block.column
        self._known = known
        self._low, self._high = block.ngram_range
        self._is_sublinear = block.sublinear_tf
        self._places: dict[str, int] = {}
        self._squares = array("d", [0.0])  # of the idf; the first place is nothing's
        self._weights = [array("d", [0.0]) for _ in range(labels)]  # times the idf
        self._find = self._word_terms if block.analyzer == "word" else self._pieces
        self._places_in_chunk = lru_cache(CHUNKS_REMEMBERED)(self._look_into_chunk)

    def add(self, part: Terms) -> None:
        end = len(self._squares) + len(part.terms)
        self._places.update(zip(part.terms, range(len(self._squares), end), strict=True))
        self._squares.extend(map(mul, part.idf, part.idf))
        for figures, weights in zip(self._weights, part.weights, strict=True):
            figures.extend(map(mul, weights, part.idf))
        if {end} != {1 + len(self._places), len(self._squares), *map(len, self._weights)}:
            raise ValueError(f"terms of {self._column} come twice, or without their weights")

    def __call__(self, row: FeatureRow) -> Scores | None:
        counts = Counter(self._find(str(row.get(self._column, ""))))
        if not counts:
            return None
        once = itemgetter(0, 0, *[place for place, count in counts.items() if count == 1])  # two at least: a tuple
        repeated = {place: self._frequency(count) for place, count in counts.items() if count > 1}
        again, frequencies = list(repeated), list(repeated.values())
        norm = math.sqrt(_sum(self._squares, once, again, [frequency**2 for frequency in frequencies]))
        return [_sum(figures, once, again, frequencies) / norm for figures in self._weights]

    def _frequency(self, count: int) -> float:
        return 1.0 + math.log(count) if self._is_sublinear else float(count)

    def _word_terms(self, text: str) -> list[int]:
        """scikit-learn's word n-grams: words of two or more letters, joined by one space."""
        words = [word for word in words_of(text) if len(word) > 1 and word in self._known]
        terms = words if self._low == 1 else []
        for length in range(max(self._low, 2), self._high + 1):
            terms = [*terms, *map(" ".join, zip(*(words[at:] for at in range(length)), strict=False))]
        return [place for place in map(self._places.get, terms) if place is not None]

    def _pieces(self, text: str) -> list[int]:
        """scikit-learn's ``char_wb``: n-grams of letters inside what white space parts."""
        return [place for chunk in chunks_of(text) for place in self._places_in_chunk(chunk)]

    def _look_into_chunk(self, chunk: str) -> tuple[int, ...]:
        pieces = _pieces_of(hide_unknown(chunk, self._known), self._low, self._high)
        return tuple(place for place in map(self._places.get, pieces) if place is not None)


def _sum(figures: Sequence[float], once: Pick, again: list[int], frequencies: list[float]) -> float:
    total: float = sum(once(figures)) + sum(map(mul, frequencies, map(figures.__getitem__, again)))
    return total


def _pieces_of(chunk: str, low: int, high: int) -> Iterator[str]:
    """Yield n-grams of ``chunk`` padded by one space; one shorter than an n-gram counts once, whole."""
    padded = f" {chunk} "
    for length in range(low, high + 1) if chunk else ():
        yield padded[:length]
        yield from (padded[at : at + length] for at in range(1, len(padded) - length + 1))
        if len(padded) <= length:
            break


def _narrow_blocks(model: LinearBundle) -> Iterator[Contribution]:
    rows = [model.coefficients[label] for label in model.labels]
    start = 0
    for block in model.blocks:
        if isinstance(block, TfidfBlock):
            continue
        width = len(block.categories if isinstance(block, OneHotBlock) else block.columns)
        weights = [row[start : start + width] for row in rows]
        yield _one_hot(block, weights) if isinstance(block, OneHotBlock) else _scaled(block, weights)
        start += width
    if any(len(row) != start for row in rows):
        raise ValueError(f"{start} columns, {sorted({len(row) for row in rows})} coefficients")


def _one_hot(block: OneHotBlock, weights: list[list[float]]) -> Contribution:
    by_category = {category: [row[at] for row in weights] for at, category in enumerate(block.categories)}
    return lambda row: by_category.get(str(row.get(block.column, "")))


def _scaled(block: ScaledBlock, weights: list[list[float]]) -> Contribution:
    scaled = list(zip(block.columns, block.mean, block.scale, strict=True))

    def contribute(row: FeatureRow) -> Scores:
        values = [(float(row.get(column, 0.0)) - mean) / scale for column, mean, scale in scaled]
        return [sum(map(mul, values, label)) for label in weights]

    return contribute
