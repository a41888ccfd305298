"""A linear candidate of scikit-learn as what a linear bundle is made of."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ml_pipeline.errors import BundleError
from ml_pipeline.models.scaled_counts import ScaledCounts
from ml_pipeline.models.scores import Numbers
from ml_pipeline.models.sentence_vectors import SentenceVectors
from ml_pipeline.online.predicting.bundle import OneHotBlock, ScaledBlock, SentenceBlock, Terms, TfidfBlock, Words

TERMS_OF_A_PART = 1_000
WORDS_OF_A_PART = 5_000

Block = TfidfBlock | OneHotBlock | ScaledBlock | SentenceBlock


def blocks(model: Pipeline) -> list[Block]:
    """Return the blocks of ``model``, in order.

    Raises:
        BundleError: if it has a step that linear bundles cannot carry.
    """
    return [_block(step, column) for step, column, _ in _steps(model)]


def _block(step: Any, column: Any) -> Block:
    if isinstance(step, TfidfVectorizer):
        return TfidfBlock(column, step.analyzer, step.ngram_range, step.sublinear_tf, step.norm is not None)
    if isinstance(step, OneHotEncoder):
        return OneHotBlock(column[0], [str(name) for name in step.categories_[0]])
    if isinstance(step, StandardScaler):
        of_logs = isinstance(step, ScaledCounts)
        return ScaledBlock(list(column), step.mean_.tolist(), step.scale_.tolist(), of_logs)
    if isinstance(step, SentenceVectors):
        return SentenceBlock(column, step.encoder_)
    raise BundleError(f"a {type(step).__name__} on {column} cannot be exported; train a kind that can")


def narrow_coefficients(model: Pipeline) -> list[list[float]]:
    """Return the coefficients of all blocks but the text blocks, labels x columns."""
    narrow = [places for step, _, places in _steps(model) if not isinstance(step, TfidfVectorizer)]
    return list(_coefficients(model)[:, np.r_[tuple(narrow)]].tolist())


def linear_parts(model: Pipeline) -> Iterator[Words | Terms]:
    """Yield the known words, then the terms of each text block with their weights, a thousand at once."""
    words = model.named_steps["words"].words_.tolist()
    yield from (Words(words[some]) for some in _slices(words, WORDS_OF_A_PART))
    coefficients = _coefficients(model)
    for block, (step, _, places) in enumerate(_steps(model)):
        if isinstance(step, TfidfVectorizer):
            terms = sorted(step.vocabulary_, key=step.vocabulary_.__getitem__)
            weights = coefficients[:, places]
            for some in _slices(terms, TERMS_OF_A_PART):
                yield Terms(block, terms[some], step.idf_[some].tolist(), weights[:, some].tolist())


def _slices(items: Sequence[object], size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, len(items), size))


def _coefficients(model: Pipeline) -> Numbers:
    """Return labels x columns, for columns as they are before the model weighs them."""
    columns, weighed = model.named_steps["columns"], model.named_steps["heads"].coefficients_.copy()
    for name, weight in (columns.transformer_weights or {}).items():
        weighed[:, columns.output_indices_[name]] *= weight
    return np.asarray(weighed)


def _steps(model: Pipeline) -> list[tuple[Any, Any, slice]]:
    """Return each step before the heads, the column it reads, and where its columns stand."""
    columns = model.named_steps["columns"]
    return [
        (step, column, columns.output_indices_[name]) for name, step, column in columns.transformers_ if step != "drop"
    ]
