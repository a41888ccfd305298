"""The first step of a candidate: hides words that too few customers' conversations share."""

from collections import Counter
from collections.abc import Sequence
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
        words_in = ByChunk(words_of)
        said_by = Counter[str]()
        for _, group in rows[["customer_group", *self.text_columns]].groupby("customer_group"):
            chunks = {chunk for column in self.text_columns for text in group[column] for chunk in _chunks(text)}
            said_by.update(set(chain.from_iterable(map(words_in.__getitem__, chunks))))
        shared = (word for word, count in said_by.items() if count > self.others)
        self.words_ = np.array(sorted(word for word in shared if redact(word) == word), dtype=str)
        return self

    def transform(self, rows: "pd.DataFrame") -> "pd.DataFrame":
        """Hide in ``rows``; spaces become one, as nothing that reads the texts after it minds."""
        known = frozenset(self.words_.tolist())
        visible = ByChunk(lambda chunk: hide_unknown(chunk, known))
        return rows.assign(
            **{
                column: [" ".join(map(visible.__getitem__, _chunks(text))) for text in rows[column]]
                for column in self.text_columns
            }
        )


def _chunks(text: object) -> list[str]:
    return str(text).lower().split()
