"""Scores of a linear bundle, in plain Python, equal to the scikit-learn pipeline it was exported from to 1e-9."""

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, repeat
from operator import itemgetter, mul

from ml_pipeline.online.predicting import sentences
from ml_pipeline.online.predicting.bundle import (
    LinearBundle,
    OneHotBlock,
    Part,
    ScaledBlock,
    SentenceBlock,
    Terms,
    TfidfBlock,
    Words,
)
from ml_pipeline.online.predicting.features import FeatureRow
from ml_pipeline.online.predicting.words import chunks_of, hide_unknown, words_of

CHUNKS_REMEMBERED = 2_048  # of a block, with what it knows of their pieces: 1 MB

Scores = list[float]
Contribution = Callable[[FeatureRow], Scores | None]
"""What a block adds to each label's score for a row; None where that is nothing."""


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
        self._blocks: list[Contribution] = [*self._text_blocks.values(), *_narrow_blocks(model, self._words)]

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
        parts = [part for contribute in self._blocks if (part := contribute(row))]
        return [sum(of_label) for of_label in zip(self._intercepts, *parts, strict=True)]


class _TextBlock:
    """Figures stand in arrays, one value a term: a list of 300,000 floats would cost each garbage collection.

    Most terms stand once in a text. Theirs are picked from an array in one step and added, a third of the time that
    multiplying each takes.
    """

    def __init__(self, block: TfidfBlock, known: set[str], labels: int) -> None:
        self._column = block.column
        self._known = known
        self._low, self._high = block.ngram_range
        self._is_normed = block.is_normed
        self._frequency = _sublinear if block.sublinear_tf else float
        self._places: dict[str, int] = {}
        self._squares = array("d", [0.0])  # of the idf; the first place is nothing's
        self._weights = [array("d", [0.0]) for _ in range(labels)]  # times the idf
        self._is_of_words = block.analyzer == "word"
        self._places_in_chunk = _reader_of_chunks(self._places, known, *block.ngram_range)

    def add(self, part: Terms) -> None:
        end = len(self._squares) + len(part.terms)
        self._places.update(zip(part.terms, range(len(self._squares), end), strict=True))
        self._squares.extend(map(mul, part.idf, part.idf))
        for figures, weights in zip(self._weights, part.weights, strict=True):
            figures.extend(map(mul, weights, part.idf))
        if {end} != {1 + len(self._places), len(self._squares), *map(len, self._weights)}:
            raise ValueError(f"terms of {self._column} come twice, or without their weights")

    def __call__(self, row: FeatureRow) -> Scores | None:
        text = str(row.get(self._column, ""))
        counts = Counter(self._word_terms(text) if self._is_of_words else self._pieces(text))
        again = [place for place, count in counts.items() if count > 1]
        frequencies = list(map(self._frequency, map(counts.__getitem__, again)))
        once = itemgetter(0, 0, *[place for place, count in counts.items() if count == 1])  # two at least: a tuple
        more = itemgetter(0, 0, *again)
        frequencies = [0.0, 0.0, *frequencies]

        def total(figures: Sequence[float], factors: list[float]) -> float:
            added: float = sum(once(figures)) + sum(map(mul, factors, more(figures)))
            return added

        norm = 1.0
        if self._is_normed:
            norm = math.sqrt(total(self._squares, list(map(mul, frequencies, frequencies))))
        return [total(figures, frequencies) / norm for figures in self._weights] if norm else None

    def _word_terms(self, text: str) -> Iterator[int]:
        """scikit-learn's word n-grams: words of two or more letters, joined by one space."""
        words: Sequence[str] = words_of(text)
        if self._high > 1:  # single words that are not known have no place anyway
            words = [word for word in words if len(word) > 1 and word in self._known]
        terms = words if self._low == 1 else []
        for length in range(max(self._low, 2), self._high + 1):
            terms = [*terms, *map(" ".join, zip(*(words[at:] for at in range(length)), strict=False))]
        return map(self._places.get, terms, repeat(0))

    def _pieces(self, text: str) -> Iterator[int]:
        """scikit-learn's ``char_wb``: n-grams of letters inside what white space parts."""
        return chain.from_iterable(map(self._places_in_chunk, chunks_of(text)))


def _reader_of_chunks(
    places: Mapping[str, int], known: set[str], low: int, high: int
) -> Callable[[str], tuple[int, ...]]:
    """Return what finds the places of the pieces of a chunk, and remembers them.

    A function of its own: as a method it and its memory would keep a replaced model alive.
    """

    @lru_cache(CHUNKS_REMEMBERED)
    def places_of(chunk: str) -> tuple[int, ...]:
        pieces = _pieces_of(hide_unknown(chunk, known), low, high)
        return tuple(place for place in map(places.get, pieces) if place)

    return places_of


@lru_cache
def _sublinear(count: int) -> float:
    return 1.0 + math.log(count)


def _pieces_of(chunk: str, low: int, high: int) -> Iterator[str]:
    """Yield n-grams of ``chunk`` padded by one space; one shorter than an n-gram counts once, whole."""
    padded = f" {chunk} "
    for length in range(low, high + 1) if chunk else ():
        yield padded[:length]
        yield from (padded[at : at + length] for at in range(1, len(padded) - length + 1))
        if len(padded) <= length:
            break


def _narrow_blocks(model: LinearBundle, known: set[str]) -> Iterator[Contribution]:
    rows = [model.coefficients[label] for label in model.labels]
    start = 0
    for block in model.blocks:
        if isinstance(block, TfidfBlock):
            continue
        width = _width(block)
        weights = [row[start : start + width] for row in rows]
        if isinstance(block, OneHotBlock):
            yield _one_hot(block, weights)
        else:
            yield _scaled(block, weights) if isinstance(block, ScaledBlock) else _sentence(block, weights, known)
        start += width
    if any(len(row) != start for row in rows):
        raise ValueError(f"{start} columns, {sorted({len(row) for row in rows})} coefficients")


def _width(block: OneHotBlock | ScaledBlock | SentenceBlock) -> int:
    if isinstance(block, SentenceBlock):
        return sentences.WIDTH
    return len(block.categories if isinstance(block, OneHotBlock) else block.columns)


def _one_hot(block: OneHotBlock, weights: list[list[float]]) -> Contribution:
    by_category = {category: [row[at] for row in weights] for at, category in enumerate(block.categories)}
    return lambda row: by_category.get(str(row.get(block.column, "")))


def _scaled(block: ScaledBlock, weights: list[list[float]]) -> Contribution:
    scaled = list(zip(block.columns, block.mean, block.scale, strict=True))
    of = _log_of_count if block.of_logs else float

    def contribute(row: FeatureRow) -> Scores:
        values = [(of(float(row.get(column, 0.0))) - mean) / scale for column, mean, scale in scaled]
        return [sum(map(mul, values, label)) for label in weights]

    return contribute


def _log_of_count(count: float) -> float:
    return math.log1p(max(count, 0.0))


def _sentence(block: SentenceBlock, weights: list[list[float]], known: set[str]) -> Contribution:
    sentences.require(block.encoder)

    def contribute(row: FeatureRow) -> Scores:
        text = " ".join(str(row.get(block.column, "")).lower().split())
        vector = sentences.at_hand(hide_unknown(text, known))
        return [sum(map(mul, vector, label)) for label in weights]

    return contribute
