"""The first step of a candidate: hides words that too few customers' conversations share."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from ml_pipeline.models.text_terms import ByChunk
from ml_pipeline.online.predicting.words import hide_unknown, words_of
from ml_pipeline.online.redaction import redact

if TYPE_CHECKING:
    import pandas as pd


class KnownWords(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """Hides from text columns every word that fewer than ``others`` others said, besides whoever said it here.

    Others are customers, or conversations where the customer is not known: a name that one customer says in ten calls
    stays hidden; so does a name from redaction's lists, whoever says it. The list is frozen in the model and its
    bundle; features are not touched.

    Attributes:
        words_: what stays, sorted.
    """

    def __init__(self, others: int, text_columns: Sequence[str]) -> None:
        self.others = others
        self.text_columns = text_columns

    def fit(self, rows: "pd.DataFrame", truth: object = None) -> "KnownWords":
        """Count in ``rows``, which name their ``customer_group``."""
        self.words_ = np.array([], dtype=str)
        if not self.text_columns:
            return self  # Dividing 40,000 rows by customer took as long as all else that trees need.
        words_in, texts = ByChunk(words_of), {column: rows[column].astype(str).tolist() for column in self.text_columns}
        said_by = Counter[str]()
        for places in rows.groupby("customer_group").indices.values():
            chunks: set[str] = set()
            for column in texts.values():
                chunks.update(*(_chunks(added) for _, added in _grown(column[place] for place in places)))
            said_by.update(set(chain.from_iterable(map(words_in.__getitem__, chunks))))
        shared = (word for word, count in said_by.items() if count > self.others)
        self.words_ = np.array(sorted(word for word in shared if redact(word) == word), dtype=str)
        return self

    def transform(self, rows: "pd.DataFrame") -> "pd.DataFrame":
        """Hide in ``rows``; spaces become one, as nothing that reads the texts after it minds."""
        known = frozenset(self.words_.tolist())
        visible = ByChunk(lambda chunk: hide_unknown(chunk, known))

        def shown(column: str) -> Iterator[str]:
            so_far = ""
            for is_longer, added in _grown(rows[column].astype(str)):
                told = " ".join(map(visible.__getitem__, _chunks(added)))
                so_far = f"{so_far} {told}" if is_longer else told
                yield so_far

        return rows.assign(**{column: list(shown(column)) for column in self.text_columns})


def _grown(texts: Iterable[str]) -> Iterator[tuple[bool, str]]:
    """Yield of each text whether it continues the one before, and what it adds: histories are not read anew."""
    before = ""
    for text in texts:
        is_longer = bool(before) and text.startswith(f"{before} ")
        yield is_longer, text[len(before) :] if is_longer else text
        before = text


def _chunks(text: str) -> list[str]:
    return text.lower().split()
