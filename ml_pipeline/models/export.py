"""A trained model as a bundle the agent can run, proven equal on real rows before anyone may publish it."""

import time
from collections.abc import Iterable
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from ml_pipeline.errors import BundleError
from ml_pipeline.models import linear_export, tree_export
from ml_pipeline.models.heads import LabelHeads, TreeHeads
from ml_pipeline.models.sample_rows import sample_rows
from ml_pipeline.models.scores import Numbers
from ml_pipeline.online.predicting.bundle import (
    Bundle,
    LinearBundle,
    Model,
    Part,
    Sample,
    Sigmoid,
    TreeBundle,
    decode,
    encode,
)
from ml_pipeline.online.predicting.features import CATEGORY_COLUMNS, NUMBER_COLUMNS, REVISION, TEXT_COLUMNS, FeatureRow
from ml_pipeline.online.predicting.predictor import TOLERANCE, Predictor
from ml_pipeline.vocabulary.tasks import Task

FEATURES = (*TEXT_COLUMNS, *CATEGORY_COLUMNS, *NUMBER_COLUMNS)
PROOF_ROWS = 1_000
BUDGET_SHARE = 0.1
"""Of the agent's time for a turn, for one model: three tasks with a challenger each leave a machine's bad moments."""


def export(model: Pipeline, task: Task, version: str) -> Bundle:
    """Return ``model`` as a bundle.

    Raises:
        BundleError: if the model is of a kind, or has a step, that bundles cannot carry.
    """
    digest, content = encode(*_exported(model, task, version))
    return decode(content, digest)


def _exported(model: Pipeline, task: Task, version: str) -> tuple[Model, Iterable[Part]]:
    heads = model.named_steps["heads"]
    if isinstance(heads, LabelHeads):
        linear = LinearBundle(
            blocks=linear_export.blocks(model),
            coefficients=_by_label(task, linear_export.narrow_coefficients(model)),
            intercepts=_by_label(task, heads.intercepts_.tolist()),
            **_known(model, task, version),
        )
        return linear, linear_export.linear_parts(model)
    if isinstance(heads, TreeHeads):
        trees = TreeBundle(
            inputs=tree_export.inputs(model),
            intercepts=_by_label(task, tree_export.intercepts(heads)),
            **_known(model, task, version),
        )
        return trees, tree_export.tree_parts(heads, task)
    raise BundleError(f"a {type(heads).__name__} has no exporter; only what an agent can run is published")


def _known(model: Pipeline, task: Task, version: str) -> dict[str, Any]:
    heads = model.named_steps["heads"]
    rows = sample_rows(model)
    expected = [_by_label(task, values) for values in np.asarray(model.predict_proba(as_table(rows))).tolist()]
    return {
        "task": task.name,
        "mode": task.mode,
        "version": version,
        "feature_revision": REVISION,
        "labels": list(task.labels),
        "thresholds": _by_label(task, heads.thresholds_.tolist()),
        "calibration": _by_label(task, [Sigmoid(*pair) for pair in heads.sigmoids_.tolist()]),
        "samples": list(map(Sample, rows, expected)),
    }


def _by_label(task: Task, values: list[Any]) -> dict[str, Any]:
    return dict(zip(task.labels, values, strict=True))


def as_table(rows: list[FeatureRow]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(FEATURES))


def prove(bundle: Bundle, model: Pipeline, rows: pd.DataFrame, budget_ms: float) -> int:
    """Run ``bundle`` as the agent will, on up to 1,000 of ``rows``; return how many it answered like ``model``.

    Raises:
        BundleError: if an answer differs by more than 1e-9, or half of them take more than a tenth of ``budget_ms``.
    """
    chosen = rows.sample(min(PROOF_ROWS, len(rows)), random_state=0)[list(FEATURES)]
    found, took_ms = _answered(bundle, chosen)
    version, gap = bundle.model.version, found - np.asarray(model.predict_proba(chosen))
    if not np.max(np.abs(gap), initial=0.0) <= TOLERANCE:
        raise BundleError(
            f"bundle of {version} answers {np.max(np.abs(gap)):.2g} off the model it came from; it may not serve"
        )
    if median(took_ms) > BUDGET_SHARE * budget_ms:
        raise BundleError(
            f"bundle of {version} takes {median(took_ms):.2g} ms for an answer, {BUDGET_SHARE * budget_ms:.2g} ms are"
            " a tenth of predict_budget_ms; train a smaller model or raise that setting"
        )
    return len(chosen)


def run(bundle: Bundle, rows: pd.DataFrame) -> Numbers:
    """Return what the agent would answer to each row, rows x labels of the bundle."""
    return _answered(bundle, rows)[0]


def answer_ms(bundle: Bundle, rows: pd.DataFrame) -> float:
    """Return what half of the agent's answers to ``rows`` take at most."""
    return median(_answered(bundle, rows)[1])


def _answered(bundle: Bundle, rows: pd.DataFrame) -> tuple[Numbers, list[float]]:
    predictor, labels = Predictor(bundle), bundle.model.labels
    answers, took_ms = [], [0.0]
    for row in rows[list(FEATURES)].to_dict("records"):
        started = time.perf_counter()
        told = predictor.predict(row).probabilities
        took_ms.append((time.perf_counter() - started) * 1000)
        answers.append([told[label] for label in labels])
    return np.array(answers).reshape(len(rows), len(labels)), took_ms
