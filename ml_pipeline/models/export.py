"""A trained model as a bundle the agent can run, proven equal on real rows before anyone may publish it."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ml_pipeline.errors import BundleError
from ml_pipeline.models.scores import Numbers
from ml_pipeline.online.bundle import LinearBundle, OneHotBlock, Sample, ScaledBlock, Sigmoid, TfidfBlock
from ml_pipeline.online.features import CATEGORY_COLUMNS, NUMBER_COLUMNS, REVISION, TEXT_COLUMNS, FeatureRow
from ml_pipeline.online.predictor import TOLERANCE, Predictor
from ml_pipeline.vocabulary.tasks import Task

FEATURES = (*TEXT_COLUMNS, *CATEGORY_COLUMNS, *NUMBER_COLUMNS)
PROOF_ROWS = 1_000
SAMPLES = 8
TERMS_OF_A_SAMPLE = 12


def export(model: Pipeline, task: Task, version: str) -> LinearBundle:
    """Return ``model`` as a bundle.

    Raises:
        BundleError: if the model has a step that bundles cannot carry.
    """
    columns, heads = model[0], model[-1]
    blocks = [_block(step, column) for _, step, column in columns.transformers_ if step != "drop"]
    labels = list(task.labels)
    return LinearBundle(
        task=task.name,
        mode=task.mode,
        version=version,
        feature_revision=REVISION,
        labels=labels,
        thresholds=dict(zip(labels, heads.thresholds_.tolist(), strict=True)),
        blocks=blocks,
        coefficients=dict(zip(labels, heads.coefficients_.tolist(), strict=True)),
        intercepts=dict(zip(labels, heads.intercepts_.tolist(), strict=True)),
        calibration={label: Sigmoid(*pair) for label, pair in zip(labels, heads.sigmoids_.tolist(), strict=True)},
        samples=_samples(model, labels),
    )


def _block(step: Any, column: Any) -> TfidfBlock | OneHotBlock | ScaledBlock:
    if isinstance(step, TfidfVectorizer):
        return TfidfBlock(
            column=column,
            analyzer=step.analyzer,
            ngram_range=step.ngram_range,
            sublinear_tf=step.sublinear_tf,
            vocabulary={term: int(place) for term, place in step.vocabulary_.items()},
            idf=step.idf_.tolist(),
        )
    if isinstance(step, OneHotEncoder):
        return OneHotBlock(column=column[0], categories=[str(name) for name in step.categories_[0]])
    if isinstance(step, StandardScaler):
        return ScaledBlock(columns=list(column), mean=step.mean_.tolist(), scale=step.scale_.tolist())
    raise BundleError(f"a {type(step).__name__} on {column} cannot be exported; train a kind that can")


def _samples(model: Pipeline, labels: list[str]) -> list[Sample]:
    rows = sample_rows(model)
    expected = np.asarray(model.predict_proba(as_table(rows)))
    return [
        Sample(row, dict(zip(labels, values.tolist(), strict=True))) for row, values in zip(rows, expected, strict=True)
    ]


def sample_rows(model: Pipeline) -> list[FeatureRow]:
    """Return rows that touch every part of the model, drawn from its own vocabulary: nobody ever said them.

    Bundles and model inputs are kept longer than conversations may be, so no conversation goes into them.
    """
    generator = np.random.default_rng(0)
    return [_sample_row(model, generator) for _ in range(SAMPLES)]


def _sample_row(model: Pipeline, generator: np.random.Generator) -> FeatureRow:
    words = dict.fromkeys((*TEXT_COLUMNS, *CATEGORY_COLUMNS), "")
    numbers = dict.fromkeys(NUMBER_COLUMNS, 0.0)
    for _, step, column in model[0].transformers_:
        if isinstance(step, TfidfVectorizer):
            terms = generator.choice(sorted(step.vocabulary_), TERMS_OF_A_SAMPLE)
            # Case and punctuation, as people write: the runner must treat them as training did.
            words[column] += f"¿{', '.join(terms).title()}? "
        elif isinstance(step, OneHotEncoder):
            words[column[0]] = str(generator.choice(step.categories_[0]))
        elif isinstance(step, StandardScaler):
            values = np.abs(np.round(step.mean_ + step.scale_ * generator.normal(size=len(step.mean_))))
            numbers |= dict(zip(column, values.tolist(), strict=True))
    return {**words, **numbers}


def as_table(rows: list[FeatureRow]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(FEATURES))


def prove(bundle: LinearBundle, model: Pipeline, rows: pd.DataFrame) -> int:
    """Run ``bundle`` as the agent will, on up to 1,000 of ``rows``; return how many it answered like ``model``.

    Raises:
        BundleError: if any answer differs by more than 1e-9.
    """
    chosen = rows.sample(min(PROOF_ROWS, len(rows)), random_state=0)[list(FEATURES)]
    found = run(bundle, chosen)
    gap = float(np.max(np.abs(found - np.asarray(model.predict_proba(chosen))), initial=0.0))
    if not gap <= TOLERANCE:
        raise BundleError(f"bundle of {bundle.version} answers {gap:.2g} off the model it came from; it may not serve")
    return len(chosen)


def run(bundle: LinearBundle, rows: pd.DataFrame) -> Numbers:
    """Return what the agent would answer to each row, rows x labels of the bundle."""
    predictor = Predictor(bundle)
    told = [predictor.predict(row).probabilities for row in rows[list(FEATURES)].to_dict("records")]
    return np.array([[answer[label] for label in bundle.labels] for answer in told]).reshape(
        len(rows), len(bundle.labels)
    )
