"""One candidate by one recipe: its steps, its heads, its answers."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline

from ml_pipeline.models.candidates.columns import WEIGHTS, Columns
from ml_pipeline.models.candidates.recipe import Recipe
from ml_pipeline.models.heads import LabelHeads
from ml_pipeline.models.known_words import KnownWords
from ml_pipeline.models.scores import Numbers
from ml_pipeline.models.training_set import TrainingSet

FINAL_TOLERANCE = 1e-4


def fit(train: TrainingSet, calibration: TrainingSet, recipe: Recipe, columns: Columns) -> Pipeline:
    """Return the model: trained on ``train``, its probabilities and thresholds fitted on ``calibration``.

    ``predict_proba`` of a table with the feature columns gives rows x labels.
    """
    seen, matrix = fit_columns(columns, train.rows, recipe.word_others)
    heads = heads_of(recipe).fit(matrix, train.truth, train.weights)
    heads.calibrate(seen.transform(calibration.rows), calibration.truth, calibration.weights)
    return Pipeline([*seen.steps, ("heads", heads)])


def answers(model: Pipeline, rows: pd.DataFrame) -> Numbers:
    """Return the probability of each label, rows x labels."""
    return np.asarray(model.predict_proba(rows))


def recipe_of(model: Pipeline) -> Recipe:
    """Return how ``model`` was trained."""
    words, heads = model.named_steps["words"], model.named_steps["heads"]
    return Recipe(heads.strength, heads.class_weight, words.others)


def columns_seen(model: Pipeline) -> Columns:
    """Return what ``model`` sees, unfitted."""
    return [(name, clone(step), column) for name, step, column in model.named_steps["columns"].transformers]


def heads_of(recipe: Recipe, tolerance: float = FINAL_TOLERANCE) -> LabelHeads:
    return LabelHeads(recipe.strength, recipe.class_weight, tolerance)


def fit_columns(columns: Columns, rows: pd.DataFrame, word_others: int) -> tuple[Pipeline, Any]:
    """Return the steps ``words`` and ``columns`` fitted on ``rows``, and what they make of them."""
    texts = sorted({str(column) for _, step, column in columns if isinstance(step, TfidfVectorizer)})
    words = KnownWords(word_others, texts).fit(rows)
    visible = words.transform(rows)
    # A text column without a repeated term (no agent ever spoke, say) would stop scikit-learn: it is left out.
    usable = [
        (name, step, column)
        for name, step, column in columns
        if not isinstance(step, TfidfVectorizer) or _repeats(step, visible[column])
    ]
    weights = {name: WEIGHTS[name] for name, _, _ in usable if name in WEIGHTS}
    transformer = ColumnTransformer(usable, sparse_threshold=1.0, transformer_weights=weights)
    matrix = transformer.fit_transform(visible)
    _store_plain_vocabularies(transformer)
    return Pipeline([("words", words), ("columns", transformer)]), matrix


def _store_plain_vocabularies(transformer: ColumnTransformer) -> None:
    # skops keeps each numpy integer as a file of its own: 18,000 terms took 14 s to save, as plain integers 0.9 s.
    for _, step, _ in transformer.transformers_:
        if isinstance(step, TfidfVectorizer):
            step.vocabulary_ = {term: int(place) for term, place in step.vocabulary_.items()}


def _repeats(step: TfidfVectorizer, texts: Iterable[str]) -> bool:
    analyze, seen = step.build_analyzer(), Counter[str]()
    for text in texts:
        terms = set(analyze(text))
        seen.update(terms)
        if any(seen[term] >= step.min_df for term in terms):
            return True
    return False
