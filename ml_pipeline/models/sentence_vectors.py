"""What a sentence means, as columns; see ``ml_pipeline.online.predicting.sentences``."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from ml_pipeline.errors import TrainingError
from ml_pipeline.models.scores import Numbers
from ml_pipeline.online.predicting.sentences import WIDTH, embed, encoder

MAX_ROWS = 5_000
"""Of a training set for which sentences are read: 30 ms each, and again where a fold hides other words. With more
labels words catch up."""


class SentenceVectors(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """One text column as vectors of length 1.

    Attributes:
        encoder_: by name and version; agents with another one refuse the model.
    """

    def fit(self, texts: Iterable[str], truth: object = None) -> "SentenceVectors":
        """Learn nothing.

        Raises:
            TrainingError: if the extra is not installed.
        """
        found = encoder()
        if found is None:
            raise TrainingError("read_sentences is set but nothing here reads them: install ml-pipeline[embeddings]")
        self.encoder_: str = found
        return self

    def transform(self, texts: Iterable[str]) -> Numbers:
        return np.array([_remembered(text) for text in texts], dtype=np.float64).reshape(-1, WIDTH)


@lru_cache(4 * MAX_ROWS)  # 30 MB
def _remembered(text: str) -> NDArray[np.float32]:
    return np.array(embed(text), dtype=np.float32)
