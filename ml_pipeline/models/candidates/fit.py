"""One candidate by one recipe: its steps, its heads, its answers."""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from ml_pipeline.models.candidates.columns import WEIGHTS, Columns
from ml_pipeline.models.candidates.recipe import LinearRecipe, Recipe, TreeRecipe, in_words
from ml_pipeline.models.heads import CalibratedHeads, LabelHeads, TreeHeads
from ml_pipeline.models.known_words import KnownWords
from ml_pipeline.models.scores import Numbers
from ml_pipeline.models.training_set import TrainingSet

FOLDS = 3
MOST_ROWS = 120_000
"""Of conversations that have one truth each, so many turns teach: the others of a conversation say nearly the same."""

log = logging.getLogger(__name__)


def fit(train: TrainingSet, calibration: TrainingSet, recipe: Recipe, columns: Columns) -> Pipeline:
    """Return the model: trained on ``train``, its probabilities and thresholds fitted on ``calibration``.

    ``predict_proba`` of a table with the feature columns gives rows x labels.
    """
    seen, heads = _learn(train, recipe, columns)
    heads.calibrate(seen.transform(calibration.rows), calibration.truth, calibration.weights)
    log.info("candidate.calibrated rows=%d", len(calibration.rows))
    return Pipeline([*seen.steps, ("heads", heads)])


def fit_by_folds(rows: TrainingSet, recipe: Recipe, columns: Columns) -> Pipeline:
    """Return the model trained on all ``rows``, where there are too few to set some apart for calibration.

    Each row was scored for it by a model of the other customers' folds.
    """
    is_grouped = rows.rows["customer_group"].nunique() >= FOLDS
    groups = rows.rows["customer_group" if is_grouped else "conversation_id"]
    scores = np.zeros(rows.truth.shape)
    for fit_places, held_places in GroupKFold(FOLDS, shuffle=True, random_state=0).split(rows.rows, groups=groups):
        learnt, held = rows.take(fit_places), rows.take(held_places)
        seen, heads = _learn(learnt, recipe, columns)
        scores[held_places] = heads.decision_function(seen.transform(held.rows))
    seen, heads = _learn(rows, recipe, columns)
    heads.calibrate_scores(scores, rows.truth, rows.weights)
    return Pipeline([*seen.steps, ("heads", heads)])


def _learn(rows: TrainingSet, recipe: Recipe, columns: Columns) -> tuple[Pipeline, CalibratedHeads]:
    """Return the steps ``words`` and ``columns``, and heads that are not calibrated yet."""
    rows = _thinned(rows)
    seen, matrix = fit_columns(columns, rows.rows, recipe.word_others)
    log.info("candidate.columns rows=%d columns=%d", *matrix.shape)
    heads = heads_of(recipe, seen.named_steps["columns"]).fit(matrix, rows.truth, rows.weights)
    log.info("candidate.fitted %s labels=%d", in_words(recipe), rows.truth.shape[1])
    return seen, heads


def _thinned(rows: TrainingSet) -> TrainingSet:
    """Return no more than ``MOST_ROWS`` or one turn of each conversation, drawn at random; they weigh what all did."""
    if rows.task.scope == "turn" or len(rows.rows) <= MOST_ROWS:
        return rows
    names = rows.rows["conversation_id"]
    rank = names.sample(frac=1, random_state=0).groupby(names).cumcount().sort_index()
    taken = rows.take(np.flatnonzero(rank < max(1, MOST_ROWS // names.nunique())))
    weights, whole, kept = taken.rows["weight"], names.value_counts(), taken.rows["conversation_id"].value_counts()
    heavier = weights * taken.rows["conversation_id"].map(whole / kept)
    return replace(taken, rows=taken.rows.assign(weight=heavier))


def answers(model: Pipeline, rows: pd.DataFrame) -> Numbers:
    """Return the probability of each label, rows x labels."""
    return np.asarray(model.predict_proba(rows))


def recipe_of(model: Pipeline) -> Recipe:
    """Return how ``model`` was trained."""
    words, heads = model.named_steps["words"], model.named_steps["heads"]
    if isinstance(heads, LabelHeads):
        return LinearRecipe(heads.strength, heads.class_weight, words.others)
    names = ("max_iter", "max_leaf_nodes", "min_samples_leaf", "learning_rate")
    return TreeRecipe(*(heads.options[name] for name in names))


def columns_seen(model: Pipeline) -> Columns:
    """Return what ``model`` sees, unfitted."""
    return [(name, clone(step), column) for name, step, column in model.named_steps["columns"].transformers]


def heads_of(recipe: Recipe, columns: ColumnTransformer) -> CalibratedHeads:
    """Return unfitted heads for what the fitted ``columns`` make; trees split encoded categories by kind, not order."""
    if isinstance(recipe, LinearRecipe):
        return LabelHeads(recipe.strength, recipe.class_weight)
    places = [
        columns.output_indices_[name] for name, step, _ in columns.transformers_ if isinstance(step, OrdinalEncoder)
    ]
    return TreeHeads(
        {
            "max_iter": recipe.trees,
            "max_leaf_nodes": recipe.leaves,
            "min_samples_leaf": recipe.leaf_rows,
            "learning_rate": recipe.learning_rate,
            "early_stopping": False,  # it would set rows aside, not customers
            "categorical_features": [place for some in places for place in range(some.start, some.stop)],
            "random_state": 0,
        }
    )


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
    # Without text there are few columns, and solvers for few want them dense.
    transformer = ColumnTransformer(usable, sparse_threshold=1.0 if texts else 0.0, transformer_weights=weights)
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
