"""The last step of a model: one calibrated classifier per label over shared columns."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from ml_pipeline.models.calibration import MIN_POSITIVES, best_threshold, fit_sigmoid, sigmoid
from ml_pipeline.models.scores import Flags, Numbers

ONE_THREAD = partial(threadpool_limits, limits=1)
"""On two busy cores a linear fit of 6,000 rows took 0.08 s with one thread and 2.5 s with two; trees are no better."""
DENSE: Mapping[str, Any] = {"solver": "newton-cholesky"}
SPARSE: Mapping[str, Any] = {"solver": "liblinear", "dual": True, "tol": 0.1, "random_state": 0}
"""Dual coordinate descent (Hsieh et al., 2008): on 128,000 turns of 370 terms each a quarter of what newton-cg takes,
and answers the same to four digits."""

THREADS = 1
"""On two busy cores a fit of 6,000 rows took 0.08 s with one thread and 2.5 s with two; tasks run side by side."""


class CalibratedHeads(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """What heads of any kind do once they are fitted.

    A label with fewer than five examples of either class learns nothing: its probability is its share among the rows.

    Attributes:
        intercepts_: labels. sigmoids_: labels x (a, b). thresholds_: labels.
        constant_: which labels learnt nothing. shares_: of positives among the rows.
    """

    intercepts_: Numbers

    def _begin(self, truth: Flags, weights: Numbers) -> list[int]:
        """Set what holds before anything is learnt; return the labels that have examples enough."""
        labels = truth.shape[1]
        self.classes_ = np.arange(labels)
        self.intercepts_ = np.zeros(labels)
        self.sigmoids_ = np.tile([-1.0, 0.0], (labels, 1))
        self.thresholds_ = np.full(labels, 0.5)
        self.constant_ = np.minimum(truth.sum(axis=0), (~truth).sum(axis=0)) < MIN_POSITIVES
        self.shares_ = np.average(truth, axis=0, weights=weights)
        for label in np.flatnonzero(self.constant_):
            self.intercepts_[label] = _log_odds(truth[:, label], weights)
        return [int(label) for label in np.flatnonzero(~self.constant_)]

    def fit(self, columns: Any, truth: Flags, sample_weight: Numbers | None = None) -> Self:
        """Learn each label that has examples enough."""
        raise NotImplementedError

    def calibrate(self, columns: Any, truth: Flags, weights: Numbers) -> None:
        """Fit probabilities and thresholds on rows that trained nothing; a constant label keeps its share."""
        self.calibrate_scores(self.decision_function(columns), truth, weights)

    def calibrate_scores(self, scores: Numbers, truth: Flags, weights: Numbers) -> None:
        """Fit them on what rows that trained nothing were scored."""
        for label in np.flatnonzero(~self.constant_).tolist():
            fitted = fit_sigmoid(scores[:, label], truth[:, label], weights)
            self.sigmoids_[label] = fitted.a, fitted.b
        probability = self._probabilities(scores)
        for label in np.flatnonzero(~self.constant_).tolist():
            share = float(self.shares_[label])
            self.thresholds_[label] = best_threshold(probability[:, label], truth[:, label], weights, share)

    def decision_function(self, columns: Any) -> Numbers:
        """Return the score of each label before calibration, rows x labels."""
        raise NotImplementedError

    def predict_proba(self, columns: Any) -> Numbers:
        """Return the probability of each label, rows x labels; labels do not exclude each other."""
        return self._probabilities(self.decision_function(columns))

    def _probabilities(self, scores: Numbers) -> Numbers:
        a, b = self.sigmoids_.T
        return sigmoid(-(a * scores + b))

    def predict(self, columns: Any) -> Flags:
        return np.asarray(self.predict_proba(columns) >= self.thresholds_)


class LabelHeads(CalibratedHeads):
    """One logistic regression per label.

    Attributes:
        coefficients_: labels x columns.
    """

    def __init__(self, strength: float = 1.0, class_weight: str | None = None) -> None:
        self.strength = strength
        self.class_weight = class_weight

    def fit(self, columns: Any, truth: Flags, sample_weight: Numbers | None = None) -> Self:
        weights = np.ones(len(truth)) if sample_weight is None else sample_weight
        self.coefficients_ = np.zeros((truth.shape[1], columns.shape[1]))
        for label in self._begin(truth, weights):
            one = LogisticRegression(
                C=self.strength,
                class_weight=self.class_weight,
                max_iter=1_000,
                **(SPARSE if issparse(columns) else DENSE),
            )
            with ONE_THREAD():
                one.fit(columns, truth[:, label], sample_weight=weights)
            self.coefficients_[label], self.intercepts_[label] = one.coef_[0], one.intercept_[0]
        return self

    def decision_function(self, columns: Any) -> Numbers:
        return np.asarray(columns @ self.coefficients_.T + self.intercepts_)


class TreeHeads(CalibratedHeads):
    """Boosted trees per label over dense columns; ``options`` go to each HistGradientBoostingClassifier.

    Attributes:
        boosted_: per label that learnt something, its classifier.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options

    def fit(self, columns: Any, truth: Flags, sample_weight: Numbers | None = None) -> Self:
        weights = np.ones(len(truth)) if sample_weight is None else sample_weight
        with ONE_THREAD():
            self.boosted_ = {
                label: HistGradientBoostingClassifier(**self.options).fit(
                    columns, truth[:, label], sample_weight=weights
                )
                for label in self._begin(truth, weights)
            }
        return self

    def decision_function(self, columns: Any) -> Numbers:
        scores = np.tile(self.intercepts_, (len(columns), 1))
        with ONE_THREAD():
            for label, boosted in self.boosted_.items():
                scores[:, label] = boosted.decision_function(columns)
        return scores


def _log_odds(truth: Flags, weights: Numbers) -> float:
    # One pseudo-example of each class: a label never seen is improbable, not impossible.
    share = (float(weights[truth].sum()) + 1) / (float(weights.sum()) + 2)
    return float(np.log(share / (1 - share)))
