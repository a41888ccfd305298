"""What every registered detector owes its callers."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from ml_pipeline.drift.comparison import MIN_UNITS, Comparison
from ml_pipeline.drift.detectors import CATEGORY, DETECTORS, LOSS, NUMBER, SHARE, TEXT
from ml_pipeline.drift.domain_classifier import Text

Draw = Callable[[np.random.Generator, int, bool], Sequence[Any]]

WORDS = np.array([f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(60)])
NULL_DRAWS = 200


def numbers(random: np.random.Generator, n: int, is_shifted: bool) -> Sequence[Any]:
    return list(random.gamma(2.0, 5.0, n) * (1.8 if is_shifted else 1.0))


def categories(random: np.random.Generator, n: int, is_shifted: bool) -> Sequence[Any]:
    shares = [0.3, 0.3, 0.3, 0.1] if is_shifted else [0.6, 0.25, 0.1, 0.05]
    return [str(name) for name in random.choice(["web", "mobile", "api", ""], n, p=shares)]


def texts(random: np.random.Generator, n: int, is_shifted: bool) -> Sequence[Any]:
    weights = np.arange(1, len(WORDS) + 1) ** (-0.5 if is_shifted else -1.0)
    spoken = random.choice(WORDS, (n, 8), p=weights / weights.sum())
    return [Text(str(random.integers(10**12)), " ".join(words)) for words in spoken]


def shares(random: np.random.Generator, n: int, is_shifted: bool) -> Sequence[Any]:
    return [bool(x) for x in random.random(n) < (0.35 if is_shifted else 0.1)]


def losses(random: np.random.Generator, n: int, is_shifted: bool) -> Sequence[Any]:
    return list(random.lognormal(-1.0, 1.0, n) * (1.7 if is_shifted else 1.0))


DRAWS: dict[str, Draw] = {NUMBER: numbers, CATEGORY: categories, TEXT: texts, SHARE: shares, LOSS: losses}

every_detector = pytest.mark.parametrize("values", sorted(DETECTORS))


def compared(values: str, reference: Sequence[Any], recent: Sequence[Any]) -> Comparison:
    comparison = DETECTORS[values](reference, recent)
    assert comparison is not None
    return comparison


@every_detector
def test_p_values_of_equal_populations_keep_every_level_and_are_not_idle(values):
    random = np.random.default_rng(11)
    p_values = np.array(
        [
            compared(values, DRAWS[values](random, 400, False), DRAWS[values](random, 150, False)).p_value
            for _ in range(NULL_DRAWS)
        ]
    )

    for level in (0.01, 0.05, 0.2, 0.5):
        assert np.mean(p_values <= level) <= level + 3 * (level * (1 - level) / NULL_DRAWS) ** 0.5
    assert np.mean(p_values <= 0.5) > 0.25


@every_detector
def test_a_shift_is_significant_and_critical(values):
    random = np.random.default_rng(12)

    comparison = compared(values, DRAWS[values](random, 1000, False), DRAWS[values](random, 1000, True))

    assert comparison.p_value < 1e-6
    assert comparison.effect >= DETECTORS[values].critical


@every_detector
def test_identical_samples_differ_by_nothing(values):
    sample = DRAWS[values](np.random.default_rng(13), 500, False)

    comparison = compared(values, sample, sample)

    assert comparison.p_value > 0.3
    assert comparison.effect == pytest.approx(0, abs=0.01)
    assert comparison.psi == pytest.approx(0, abs=0.01)


@every_detector
def test_the_order_of_rows_does_not_matter(values):
    random = np.random.default_rng(14)
    reference, recent = DRAWS[values](random, 300, False), DRAWS[values](random, 200, True)
    comparison = compared(values, reference, recent)

    shuffled = compared(
        values,
        [reference[i] for i in random.permutation(len(reference))],
        [recent[i] for i in random.permutation(len(recent))],
    )

    assert shuffled.p_value == pytest.approx(comparison.p_value, rel=1e-9)
    assert shuffled.effect == pytest.approx(comparison.effect, rel=1e-9)


@every_detector
@pytest.mark.parametrize(("reference", "recent"), [(0, 0), (0, 500), (500, 0), (500, MIN_UNITS - 1), (1, 1)])
def test_too_few_rows_give_no_comparison(values, reference, recent):
    random = np.random.default_rng(15)

    comparison = DETECTORS[values](DRAWS[values](random, reference, False), DRAWS[values](random, recent, False))

    assert comparison is None


@every_detector
def test_one_value_throughout_is_no_change(values):
    constant = {NUMBER: 3.0, CATEGORY: "web", TEXT: "", SHARE: True, LOSS: 0.4}[values]
    samples = ([constant] * 200, [constant] * 150)
    if values == TEXT:
        samples = (
            [Text(f"a{n}", "hello there") for n in range(200)],
            [Text(f"b{n}", "hello there") for n in range(150)],
        )

    comparison = compared(values, *samples)

    assert comparison.p_value == pytest.approx(1.0)
    assert comparison.effect == pytest.approx(0, abs=0.01)


@every_detector
def test_the_comparison_fits_into_json_without_nan(values):
    random = np.random.default_rng(16)

    comparison = compared(values, DRAWS[values](random, 200, False), DRAWS[values](random, 200, True))

    json.dumps([comparison.evidence, comparison.statistic, comparison.p_value, comparison.psi], allow_nan=False)
    assert 0 <= comparison.p_value <= 1
