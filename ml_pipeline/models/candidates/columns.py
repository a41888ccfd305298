"""What each kind of candidate sees of a task."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from ml_pipeline.models.candidates.recipe import Kind
from ml_pipeline.models.scaled_counts import ScaledCounts
from ml_pipeline.models.sentence_vectors import SentenceVectors
from ml_pipeline.models.text_terms import TextTerms
from ml_pipeline.online.predicting.features import CATEGORY_COLUMNS, NUMBER_COLUMNS
from ml_pipeline.vocabulary.tasks import Mode, Task, TaskKind

MIN_ROWS_OF_A_TERM = 2
MAX_TERMS = 20_000
MAX_CATEGORIES = 200
"""scikit-learn's trees tell 255 apart."""

Columns = Sequence[tuple[str, Any, str | list[str]]]
"""As scikit-learn's ColumnTransformer takes them: name, step, what it reads; a text step reads one column by name."""

WEIGHTS = {
    "previous_words": 0.5,
    "history_words": 0.3,
    "dialogue_pairs": 0.5,
    "dialogue_evidence": 1 / 24,
    "counts": 0.1,
    "current_sentence": 2.0,
}
"""What a linear model pays for leaning on columns, beside 1 for the words of the turn: a penalty is one for all, and at
equal weight what stands around a turn drowned what it says (docs/decisions/0024)."""

ColumnsByKind = Mapping[Kind, Columns]
"""The kinds to try, each with what it sees."""


def columns_of(task: Task, *, reads_sentences: bool = False) -> ColumnsByKind:
    """Return the kinds that are tried for ``task``, each with what it sees.

    ``reads_sentences``: sentence vectors too, where the label is in the wording of the turn.
    """
    sentences = [("current_sentence", SentenceVectors(), "current")]
    linear = [*word_columns(task), *(sentences if reads_sentences and _is_in_the_wording(task) else [])]
    return {"linear": linear, "trees": circumstance_columns()} if task.kind is TaskKind.BINARY else {"linear": linear}


def word_columns(task: Task) -> Columns:
    """Return this turn, what was said before, and the circumstances.

    Where the label is in the wording of the turn, pieces of words help in any language, and what the customer said
    before counts little. What comes later, or how a conversation ends, hangs on all that was said and not on pieces,
    which cost most of the time; where one truth holds for a conversation, what was said adds up besides (at length 1 a
    long dialogue would be as unsure as a short one).
    """
    if _is_in_the_wording(task):
        texts = [
            ("current_pieces", _terms("char_wb", (2, 5)), "current"),
            ("history_words", _terms("word", (1, 1)), "history"),
        ]
    elif task.scope == "turn":
        texts = [("dialogue_words", _terms("word", (1, 1)), "history")]
    else:
        texts = [
            ("dialogue_pairs", _terms("word", (1, 2)), "history"),
            ("dialogue_evidence", _terms("word", (1, 1), norm=None), "history"),
        ]
    return [
        ("current_words", _terms("word", (1, 2)), "current"),
        *texts,
        ("previous_words", _terms("word", (1, 1)), "previous"),
        *((column, OneHotEncoder(handle_unknown="ignore"), [column]) for column in CATEGORY_COLUMNS),
        ("counts", ScaledCounts(), list(NUMBER_COLUMNS)),
    ]


def _is_in_the_wording(task: Task) -> bool:
    return task.kind is TaskKind.MULTI_LABEL and task.mode is Mode.DETECT


def circumstance_columns() -> Columns:
    """Return what trees see: categories by number, counts as they are. No text."""
    rare_together = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=math.nan, max_categories=MAX_CATEGORIES
    )
    return [
        ("categories", rare_together, list(CATEGORY_COLUMNS)),
        ("raw_counts", FunctionTransformer(), list(NUMBER_COLUMNS)),
    ]


def number_columns() -> Columns:
    """Return what the simple rule sees: how far the conversation is, how much was said, whether it asks."""
    return [("numbers", StandardScaler(), list(NUMBER_COLUMNS))]


def _terms(analyzer: str, ngram_range: tuple[int, int], norm: str | None = "l2") -> TextTerms:
    return TextTerms(
        analyzer=analyzer,
        ngram_range=ngram_range,
        norm=norm,
        sublinear_tf=True,
        min_df=MIN_ROWS_OF_A_TERM,
        max_features=MAX_TERMS,
    )
