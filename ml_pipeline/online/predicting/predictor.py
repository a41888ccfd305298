"""Answers of a bundle. It serves only after it answered its samples like the model it was exported from."""

import math
from collections.abc import Callable

from ml_pipeline.errors import BundleError
from ml_pipeline.online.predicting.bundle import Bundle, LinearBundle, Model, Sigmoid
from ml_pipeline.online.predicting.features import REVISION, FeatureRow
from ml_pipeline.online.predicting.linear import LinearScorer
from ml_pipeline.online.predicting.shapes import Answer
from ml_pipeline.online.predicting.trees import TreeScorer

TOLERANCE = 1e-9


def no_rest() -> None:
    """Go on at once."""


class Predictor:
    """A bundle, ready to answer."""

    def __init__(self, bundle: Bundle, rest: Callable[[], None] = no_rest) -> None:
        """Prepare ``bundle``; ``rest`` is called after each millisecond of work, for others to run.

        Raises:
            BundleError: if it was made for other features, does not fit together, or does not answer its samples.
        """
        model = bundle.model
        self.task, self.mode, self.version = model.task, model.mode, model.version
        if model.feature_revision != REVISION:
            raise BundleError(
                f"bundle of {model.version} needs features {model.feature_revision}, this agent makes {REVISION}; "
                "use an agent of the same release"
            )
        self._labels = tuple(model.labels)
        try:
            self._thresholds = [model.thresholds[label] for label in self._labels]
            self._calibration = [model.calibration.get(label, Sigmoid()) for label in self._labels]
            self._scorer = _scorer(model)
            for part in bundle.parts():
                self._scorer.add(part)
                rest()
        except (LookupError, ValueError, TypeError) as error:
            raise BundleError(f"bundle of {model.version} does not fit together: {error}; export it again") from error
        try:
            self._prove(model, rest)
        except (ArithmeticError, LookupError, ValueError, TypeError) as error:
            raise BundleError(f"bundle of {model.version} cannot be run: {error}; export it again") from error

    def predict(self, row: FeatureRow) -> Answer:
        """Return the probability of each label for ``row``, and those at or above their thresholds."""
        probabilities = [
            _sigmoid(sigmoid.a * score + sigmoid.b)
            for score, sigmoid in zip(self._scorer.scores(row), self._calibration, strict=True)
        ]
        held = sorted(
            (index for index, p in enumerate(probabilities) if p >= self._thresholds[index]),
            key=lambda index: -probabilities[index],
        )
        return Answer(dict(zip(self._labels, probabilities, strict=True)), tuple(self._labels[index] for index in held))

    def _prove(self, model: Model, rest: Callable[[], None]) -> None:
        if not model.samples:
            raise BundleError(f"bundle of {model.version} carries no sample to prove itself; export it again")
        for sample in model.samples:
            answer = self.predict(sample.row).probabilities
            rest()
            for label, expected in sample.expected.items():
                if not abs(answer.get(label, math.nan) - expected) <= TOLERANCE:
                    raise BundleError(
                        f"bundle of {model.version} answers {answer.get(label)} for {label}, its sample says "
                        f"{expected}; export it again"
                    )


def _scorer(model: Model) -> LinearScorer | TreeScorer:
    return LinearScorer(model) if isinstance(model, LinearBundle) else TreeScorer(model)


def _sigmoid(x: float) -> float:
    """1 / (1 + exp(x)) without overflow."""
    if x >= 0:
        small = math.exp(-x)
        return small / (1.0 + small)
    return 1.0 / (1.0 + math.exp(x))
