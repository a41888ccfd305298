"""Words and pieces of words of many texts, counted as scikit-learn does, several times as fast."""

from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice
from typing import Generic, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack
from sklearn.feature_extraction.text import TfidfVectorizer

ROWS_AT_ONCE = 20_000
"""Counted at once: the pairs of words of so many long histories take 100 MB."""

Cut = Callable[[str], Sequence[str]]
Places = NDArray[np.int64]
Made = TypeVar("Made")


class ByChunk(dict[str, Made], Generic[Made]):
    """What ``make`` makes of each chunk between spaces, made once: texts share most of theirs."""

    def __init__(self, make: Callable[[str], Made]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, chunk: str) -> Made:
        self[chunk] = made = self._make(chunk)
        return made


class TextTerms(TfidfVectorizer):  # type: ignore[misc]  # scikit-learn carries no types
    """scikit-learn's TfidfVectorizer, with the same terms and figures, for texts that share their words.

    What stands between two spaces is cut into pieces once, and pairs of words are counted as pairs of numbers.
    Replaces scikit-learn's private ``_count_vocab``; a test holds both equal.
    """

    def _count_vocab(self, raw_documents: Iterable[str], fixed_vocab: bool) -> tuple[dict[str, int], csr_matrix]:
        numbers = _Numbers(self.vocabulary_ if fixed_vocab else {}, is_open=not fixed_vocab)
        if self.analyzer == "word":
            count = _Words(self.build_tokenizer(), self.ngram_range, numbers).count
        else:
            count = _Pieces(self.build_analyzer(), numbers).count
        texts, blocks = map(self.build_preprocessor(), raw_documents), []
        while some := list(islice(texts, ROWS_AT_ONCE)):
            blocks.append(count(some))
        if not numbers:
            raise ValueError("no text has a term")
        for block in blocks:  # later ones know more terms
            block.resize(block.shape[0], len(numbers))
        counts = vstack(blocks, format="csr", dtype=self.dtype) if blocks else csr_matrix((0, len(numbers)))
        counts.sort_indices()
        return dict(numbers), counts


class _Numbers(dict[str, int]):
    """The place of each term; one that was never seen gets the next, or -1 where no more are taken in."""

    def __init__(self, known: dict[str, int], *, is_open: bool) -> None:
        super().__init__(known)
        self._is_open = is_open

    def __missing__(self, term: str) -> int:
        if not self._is_open:
            return -1
        self[term] = place = len(self)
        return place

    def of(self, terms: Iterable[str]) -> Places:
        return np.fromiter(map(self.__getitem__, terms), dtype=np.int64)


def _counted(rows: Places, places: Places, row_count: int, width: int) -> csr_matrix:
    """Return how often each place stands in each row; places below zero stand nowhere."""
    known = places >= 0
    ones = np.ones(int(known.sum()), dtype=np.int32)
    return csr_matrix((ones, (rows[known], places[known])), shape=(row_count, width))  # adds up what stands twice


class _Pieces:
    """Counts what ``cut`` makes of each chunk between spaces: chunks in texts times pieces in chunks."""

    def __init__(self, cut: Cut, numbers: _Numbers) -> None:
        self._cut, self._numbers = cut, numbers

    def count(self, texts: Sequence[str]) -> csr_matrix:
        chunks = _Numbers({}, is_open=True)
        chunks_of_text = [[chunks[chunk] for chunk in text.split()] for text in texts]
        pieces_of_chunk = [self._numbers.of(self._cut(chunk)) for chunk in chunks]
        in_texts = _counted(*_flat(chunks_of_text), len(texts), len(chunks))
        return in_texts @ _counted(*_flat(pieces_of_chunk), len(chunks), len(self._numbers))


def _flat(places: Sequence[Sequence[int] | Places]) -> tuple[Places, Places]:
    """Return row and place of every entry."""
    rows = np.repeat(np.arange(len(places)), [len(some) for some in places])
    return rows, np.fromiter(chain.from_iterable(places), dtype=np.int64, count=len(rows))


class _Words:
    """Counts words and runs of them, a run of several as the number of its beginning and that of its last word."""

    def __init__(self, cut: Cut, lengths: tuple[int, int], numbers: _Numbers) -> None:
        self._cut, (self._low, self._high), self._numbers = cut, lengths, numbers

    def count(self, texts: Sequence[str]) -> csr_matrix:
        words = _Numbers({}, is_open=True)
        rows, last = self._numbered(texts, words)
        names = run_names = list(words)
        begins, runs = np.arange(len(last)), last
        found = []
        for length in range(1, self._high + 1):
            if length > 1:
                begins, runs = _within(begins, runs, rows, length)
                runs, begun = pd.factorize(runs * len(names) + last[begins + length - 1])
                run_names = [f"{run_names[code // len(names)]} {names[code % len(names)]}" for code in begun]
            if length >= self._low:
                found.append((rows[begins], self._numbers.of(run_names)[runs]))
        of_rows, places = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return _counted(of_rows, places, len(texts), len(self._numbers))

    def _numbered(self, texts: Sequence[str], words: _Numbers) -> tuple[Places, Places]:
        """Return row and number of every word, in order."""
        words_of = ByChunk(lambda chunk: tuple(map(words.__getitem__, self._cut(chunk))))
        flat, counts = array("q"), []
        for text in texts:
            before = len(flat)
            flat.extend(chain.from_iterable(map(words_of.__getitem__, text.split())))
            counts.append(len(flat) - before)
        return np.repeat(np.arange(len(texts)), counts), np.array(flat, dtype=np.int64)


def _within(begins: Places, runs: Places, rows: Places, length: int) -> tuple[Places, Places]:
    """Return the runs that can be one word longer, to ``length``, without leaving their text."""
    ends = begins + length - 1
    fits = np.flatnonzero(ends < len(rows))
    fits = fits[rows[begins[fits]] == rows[ends[fits]]]
    return begins[fits], runs[fits]
