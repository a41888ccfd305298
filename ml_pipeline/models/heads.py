"""The last step of a candidate: one calibrated logistic regression per label over shared columns."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from ml_pipeline.models.calibration import MIN_POSITIVES, best_threshold, fit_sigmoid, sigmoid
from ml_pipeline.models.scores import Flags, Numbers


class LabelHeads(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """One logistic regression per label, its Platt calibration and its threshold.

    A label with fewer than five examples of either class learns nothing: its probability is its share among the rows.

    Attributes:
        coefficients_: labels x columns. intercepts_: labels. sigmoids_: labels x (a, b). thresholds_: labels.
        constant_: which labels learnt nothing. shares_: of positives among the rows.
    """

    def __init__(self, strength: float = 1.0, class_weight: str | None = None, tolerance: float = 1e-4) -> None:
        self.strength = strength
        self.class_weight = class_weight
        self.tolerance = tolerance

    def fit(self, columns: Any, truth: Flags, sample_weight: Numbers | None = None) -> "LabelHeads":
        weights = np.ones(len(truth)) if sample_weight is None else sample_weight
        labels = truth.shape[1]
        self.classes_ = np.arange(labels)
        self.coefficients_ = np.zeros((labels, columns.shape[1]))
        self.intercepts_ = np.zeros(labels)
        self.sigmoids_ = np.tile([-1.0, 0.0], (labels, 1))
        self.thresholds_ = np.full(labels, 0.5)
        self.constant_ = np.minimum(truth.sum(axis=0), (~truth).sum(axis=0)) < MIN_POSITIVES
        self.shares_ = np.average(truth, axis=0, weights=weights)
        for label in range(labels):
            if self.constant_[label]:
                self.intercepts_[label] = _log_odds(truth[:, label], weights)
                continue
            one = LogisticRegression(
                C=self.strength,
                class_weight=self.class_weight,
                solver="newton-cg",
                tol=self.tolerance,
                max_iter=1_000,
            )
            # One thread: on two busy cores a fit of 6,000 rows took 0.08 s with one and 2.5 s with two.
            with threadpool_limits(limits=1):
                one.fit(columns, truth[:, label], sample_weight=weights)
            self.coefficients_[label], self.intercepts_[label] = one.coef_[0], one.intercept_[0]
        return self

    def calibrate(self, columns: Any, truth: Flags, weights: Numbers) -> None:
        """Fit probabilities and thresholds on rows that trained nothing; a constant label keeps its share."""
        scores = self.decision_function(columns)
        for label in np.flatnonzero(~self.constant_).tolist():
            fitted = fit_sigmoid(scores[:, label], truth[:, label], weights)
            self.sigmoids_[label] = fitted.a, fitted.b
        probability = self.predict_proba(columns)
        for label in np.flatnonzero(~self.constant_).tolist():
            share = float(self.shares_[label])
            self.thresholds_[label] = best_threshold(probability[:, label], truth[:, label], weights, share)

    def decision_function(self, columns: Any) -> Numbers:
        return np.asarray(columns @ self.coefficients_.T + self.intercepts_)

    def predict_proba(self, columns: Any) -> Numbers:
        """Return the probability of each label, rows x labels; labels do not exclude each other."""
        a, b = self.sigmoids_.T
        return sigmoid(-(a * self.decision_function(columns) + b))

    def predict(self, columns: Any) -> Flags:
        return np.asarray(self.predict_proba(columns) >= self.thresholds_)


def _log_odds(truth: Flags, weights: Numbers) -> float:
    # One pseudo-example of each class: a label never seen is improbable, not impossible.
    share = (float(weights[truth].sum()) + 1) / (float(weights.sum()) + 2)
    return float(np.log(share / (1 - share)))
