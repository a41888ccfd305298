"""What is trained: words and circumstances into one logistic regression per label. Exports to a bundle."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ml_pipeline.models.heads import LabelHeads
from ml_pipeline.models.known_words import KnownWords
from ml_pipeline.models.scores import HIGHER_IS_BETTER, Numbers, draws, figures
from ml_pipeline.models.training_set import TrainingSet
from ml_pipeline.online.predicting.features import CATEGORY_COLUMNS, NUMBER_COLUMNS
from ml_pipeline.vocabulary.tasks import Mode, Task, TaskKind

FOLDS = 3
STRENGTHS = (0.5, 2.0, 8.0)
FINAL_TOLERANCE = 1e-4
SEARCH_TOLERANCE = 1e-3  # a third faster than the final fit's, and the same order of recipes
MIN_ROWS_OF_A_TERM = 2
MAX_TERMS = 20_000

Columns = Sequence[tuple[str, Any, str | list[str]]]


class Recipe(NamedTuple):
    """How a candidate is trained: inverse strength of the penalty, and whether the rarer class counts as much.

    ``word_others``: how many others must have said a word before it is seen.
    """

    strength: float
    class_weight: str | None
    word_others: int


@dataclass(frozen=True, slots=True)
class Tried:
    recipe: Recipe
    value: float  # the task's primary metric, mean over the folds


def full_columns(task: Task) -> Columns:
    """Return what a candidate sees: this turn, what was said before, and the circumstances.

    Pieces of words help in any language where the label is in the wording of the turn; what comes later, or how a
    conversation ends, does not hang on them, and they cost most of the time.
    """
    is_in_the_wording = task.kind is TaskKind.MULTI_LABEL and task.mode is Mode.DETECT
    pieces = [("current_pieces", _terms("char_wb", (2, 5)), "current")] if is_in_the_wording else []
    return [
        ("current_words", _terms("word", (1, 2)), "current"),
        *pieces,
        ("previous_words", _terms("word", (1, 1)), "previous"),
        ("history_words", _terms("word", (1, 1 if task.scope == "turn" else 2)), "history"),
        *((column, OneHotEncoder(handle_unknown="ignore"), [column]) for column in CATEGORY_COLUMNS),
        *number_columns(),
    ]


def number_columns() -> Columns:
    """Return what the simple rule sees: how far the conversation is, how much was said, whether it asks."""
    return [("numbers", StandardScaler(), list(NUMBER_COLUMNS))]


def _terms(analyzer: str, ngram_range: tuple[int, int]) -> TfidfVectorizer:
    return TfidfVectorizer(
        analyzer=analyzer,
        ngram_range=ngram_range,
        sublinear_tf=True,
        min_df=MIN_ROWS_OF_A_TERM,
        max_features=MAX_TERMS,
    )


def search(train: TrainingSet, word_others: int, columns: Columns | None = None) -> list[Tried]:
    """Return every recipe tried with its figure over grouped folds of the training part, the best first.

    First the strengths; then balanced classes at the best one, where ranking is judged: they spoil log loss.
    """
    metric = train.task.primary_metric
    folds = list(_folds(train, word_others, columns or full_columns(train.task)))

    def tried(recipe: Recipe) -> Tried:
        return Tried(recipe, float(np.mean([_score(fold, recipe, metric) for fold in folds])))

    found = _best_first([tried(Recipe(strength, None, word_others)) for strength in STRENGTHS], metric)
    if metric == "macro_ap":
        found = _best_first([*found, tried(found[0].recipe._replace(class_weight="balanced"))], metric)
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
        seen, matrix = _seen(columns, fit.rows, word_others)
        yield Fold(fit, held, matrix, seen.transform(held.rows), held_rows)


def _score(fold: Fold, recipe: Recipe, metric: str) -> float:
    heads = _heads(recipe, SEARCH_TOLERANCE).fit(fold.fit_columns, fold.fit.truth, fold.fit.weights)
    block = fold.held.block()
    found = figures(block, heads.predict_proba(fold.held_columns), heads.thresholds_, draws(block.clusters, 0, seed=0))
    return float(found[metric][0]) if found else 0.0


def fit(train: TrainingSet, calibration: TrainingSet, recipe: Recipe, columns: Columns) -> Pipeline:
    """Return the model: trained on ``train``, its probabilities and thresholds fitted on ``calibration``.

    ``predict_proba`` of a table with the feature columns gives rows x labels.
    """
    seen, matrix = _seen(columns, train.rows, recipe.word_others)
    heads = _heads(recipe).fit(matrix, train.truth, train.weights)
    heads.calibrate(seen.transform(calibration.rows), calibration.truth, calibration.weights)
    return Pipeline([*seen.steps, ("heads", heads)])


def fit_by_folds(rows: TrainingSet, recipe: Recipe, columns: Columns) -> Pipeline:
    """Return the model trained on all ``rows``; each row's fold was scored for calibration by a model of the others."""
    scores = np.zeros(rows.truth.shape)
    for fold in _folds(rows, recipe.word_others, columns):
        heads = _heads(recipe).fit(fold.fit_columns, fold.fit.truth, fold.fit.weights)
        scores[fold.held_places] = heads.decision_function(fold.held_columns)
    seen, matrix = _seen(columns, rows.rows, recipe.word_others)
    heads = _heads(recipe).fit(matrix, rows.truth, rows.weights)
    heads.calibrate_scores(scores, rows.truth, rows.weights)
    return Pipeline([*seen.steps, ("heads", heads)])


def recipe_of(model: Pipeline) -> Recipe:
    """Return how ``model`` was trained."""
    words, heads = model.named_steps["words"], model.named_steps["heads"]
    return Recipe(heads.strength, heads.class_weight, words.others)


def answers(model: Pipeline, rows: pd.DataFrame) -> Numbers:
    """Return the probability of each label, rows x labels."""
    return np.asarray(model.predict_proba(rows))


def _heads(recipe: Recipe, tolerance: float = FINAL_TOLERANCE) -> LabelHeads:
    return LabelHeads(recipe.strength, recipe.class_weight, tolerance)


def _seen(columns: Columns, rows: pd.DataFrame, word_others: int) -> tuple[Pipeline, Any]:
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
    transformer = ColumnTransformer(usable, sparse_threshold=1.0)
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
        if any(seen[term] >= MIN_ROWS_OF_A_TERM for term in terms):
            return True
    return False
