"""Rows that nobody ever said, for proofs that travel with a model."""

from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from ml_pipeline.online.predicting.features import CATEGORY_COLUMNS, NUMBER_COLUMNS, TEXT_COLUMNS, FeatureRow

SAMPLES = 8
WORDS_OF_A_SAMPLE = 12
UNHEARD = "zyqxv8"
"""A word of no list: a runner that does not hide it answers otherwise."""


def sample_rows(model: Pipeline) -> list[FeatureRow]:
    """Return rows that touch every part of the model, drawn from its own vocabulary.

    Bundles and model inputs are kept longer than conversations may be, so no conversation goes into them. Every other
    row has categories that nobody saw in training.
    """
    generator = np.random.default_rng(0)
    return [_sample_row(model, generator, is_odd=bool(place % 2)) for place in range(SAMPLES)]


def _sample_row(model: Pipeline, generator: np.random.Generator, *, is_odd: bool) -> FeatureRow:
    row: FeatureRow = dict.fromkeys((*TEXT_COLUMNS, *CATEGORY_COLUMNS), "")
    row |= {column: float(generator.integers(60)) for column in NUMBER_COLUMNS}
    for _, step, column in model.named_steps["columns"].transformers_:
        if isinstance(step, TfidfVectorizer):
            row[column] = f"{row[column]}{_said(step, model, generator)} {UNHEARD}? "
        elif isinstance(step, (OneHotEncoder, OrdinalEncoder)):
            chosen = zip(column, step.categories_, strict=True)
            row |= {name: UNHEARD if is_odd else str(generator.choice(known)) for name, known in chosen}
        elif isinstance(step, StandardScaler):
            values = np.abs(np.round(step.mean_ + step.scale_ * generator.normal(size=len(step.mean_))))
            row |= dict(zip(column, values.tolist(), strict=True))
    return row


def _said(step: Any, model: Pipeline, generator: np.random.Generator) -> str:
    terms = sorted(step.vocabulary_) if step.analyzer == "word" else model.named_steps["words"].words_.tolist()
    # Case and punctuation, as people write: the runner must treat them as training did.
    return f"¿{', '.join(generator.choice(terms, WORDS_OF_A_SAMPLE)).title()}"
