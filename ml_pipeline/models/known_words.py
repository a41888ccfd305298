"""The first step of a candidate: hides words that too few customers' conversations share."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from ml_pipeline.online.predicting.words import hide_unknown, words_of

if TYPE_CHECKING:
    import pandas as pd


class KnownWords(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """Hides from text columns every word that fewer than ``others`` others said, besides whoever said it here.

    Others are customers, or conversations where the customer is not known: a name that one customer says in ten calls
    stays hidden. The list is frozen in the model and its bundle; features are not touched.

    Attributes:
        words_: what stays, sorted.
    """

    def __init__(self, others: int, text_columns: Sequence[str]) -> None:
        self.others = others
        self.text_columns = text_columns

    def fit(self, rows: "pd.DataFrame", truth: object = None) -> "KnownWords":
        """Count in ``rows``, which name their ``customer_group``."""
        said_by = Counter[str]()
        for _, group in rows.groupby("customer_group"):
            texts = chain.from_iterable(group[column].unique() for column in self.text_columns)
            said_by.update({word for text in texts for word in words_of(text)})
        self.words_ = np.array(sorted(word for word, count in said_by.items() if count > self.others), dtype=str)
        return self

    def transform(self, rows: "pd.DataFrame") -> "pd.DataFrame":
        known = frozenset(self.words_.tolist())
        return rows.assign(
            **{column: [hide_unknown(str(text), known) for text in rows[column]] for column in self.text_columns}
        )
