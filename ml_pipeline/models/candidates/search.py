"""Which recipe: tried on folds of the training part that keep customers whole."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline

from ml_pipeline.models.candidates.columns import Columns, ColumnsByKind
from ml_pipeline.models.candidates.fit import fit_columns, heads_of
from ml_pipeline.models.candidates.recipe import LinearRecipe, Recipe
from ml_pipeline.models.scores import HIGHER_IS_BETTER, draws, figures
from ml_pipeline.models.training_set import TrainingSet

FOLDS = 3
STRENGTHS = (0.5, 2.0, 8.0)
SEARCH_TOLERANCE = 1e-3  # a third faster than the final fit's, and the same order of recipes


@dataclass(frozen=True, slots=True)
class Tried:
    recipe: Recipe
    value: float  # the task's primary metric, mean over the folds


def search(train: TrainingSet, columns: ColumnsByKind, word_others: int) -> list[Tried]:
    """Return every recipe tried with its figure over grouped folds of the training part, the best first.

    First the strengths; then balanced classes at the best one, where ranking is judged: they spoil log loss.
    """
    metric = train.task.primary_metric
    folds = list(_folds(train, word_others, columns["linear"]))

    def tried(recipe: Recipe) -> Tried:
        return Tried(recipe, float(np.mean([_score(fold, recipe, metric) for fold in folds])))

    found = _best_first([tried(LinearRecipe(strength, None, word_others)) for strength in STRENGTHS], metric)
    if metric == "macro_ap":
        balanced = msgspec.structs.replace(found[0].recipe, class_weight="balanced")
        found = _best_first([*found, tried(balanced)], metric)
    return found


def _best_first(tried: list[Tried], metric: str) -> list[Tried]:
    return sorted(tried, key=lambda one: one.value, reverse=HIGHER_IS_BETTER[metric])


class Fold(NamedTuple):
    fit: TrainingSet
    held: TrainingSet
    fit_columns: Any
    held_columns: Any
    held_places: NDArray[np.int64]


def _folds(train: TrainingSet, word_others: int, columns: Columns) -> Iterable[Fold]:
    is_grouped = train.rows["customer_group"].nunique() >= FOLDS
    groups = train.rows["customer_group" if is_grouped else "conversation_id"]
    splitter = GroupKFold(FOLDS, shuffle=True, random_state=0)
    for fit_rows, held_rows in splitter.split(train.rows, groups=groups):
        fit, held = train.take(fit_rows), train.take(held_rows)
        seen, matrix = fit_columns(columns, fit.rows, word_others)
        yield Fold(fit, held, matrix, seen.transform(held.rows), held_rows)


def _score(fold: Fold, recipe: Recipe, metric: str) -> float:
    heads = heads_of(recipe, SEARCH_TOLERANCE).fit(fold.fit_columns, fold.fit.truth, fold.fit.weights)
    block = fold.held.block()
    found = figures(block, heads.predict_proba(fold.held_columns), heads.thresholds_, draws(block.clusters, 0, seed=0))
    return float(found[metric][0]) if found else 0.0


def fit_by_folds(rows: TrainingSet, recipe: Recipe, columns: Columns) -> Pipeline:
    """Return the model trained on all ``rows``; each row's fold was scored for calibration by a model of the others."""
    scores = np.zeros(rows.truth.shape)
    for fold in _folds(rows, recipe.word_others, columns):
        heads = heads_of(recipe).fit(fold.fit_columns, fold.fit.truth, fold.fit.weights)
        scores[fold.held_places] = heads.decision_function(fold.held_columns)
    seen, matrix = fit_columns(columns, rows.rows, recipe.word_others)
    heads = heads_of(recipe).fit(matrix, rows.truth, rows.weights)
    heads.calibrate_scores(scores, rows.truth, rows.weights)
    return Pipeline([*seen.steps, ("heads", heads)])
