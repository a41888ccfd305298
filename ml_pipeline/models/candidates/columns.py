"""What each kind of candidate sees of a task."""

from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ml_pipeline.models.candidates.recipe import Kind
from ml_pipeline.online.predicting.features import CATEGORY_COLUMNS, NUMBER_COLUMNS
from ml_pipeline.vocabulary.tasks import Mode, Task, TaskKind

MIN_ROWS_OF_A_TERM = 2
MAX_TERMS = 20_000

Columns = Sequence[tuple[str, Any, str | list[str]]]
"""As scikit-learn's ColumnTransformer takes them: name, step, what it reads; a text step reads one column by name."""

ColumnsByKind = Mapping[Kind, Columns]
"""The kinds to try, each with what it sees."""


def columns_of(task: Task) -> ColumnsByKind:
    """Return the kinds that are tried for ``task``, each with what it sees."""
    return {"linear": word_columns(task)}


def word_columns(task: Task) -> Columns:
    """Return this turn, what was said before, and the circumstances.

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
