"""How often a window in which nothing changed raises any finding, over everything that is watched together."""

from dataclasses import dataclass

import numpy as np
import pytest

from ml_pipeline.drift.detectors import CATEGORY, LOSS, NUMBER, SHARE
from ml_pipeline.drift.subjects import DATA, LABEL, PERFORMANCE, PREDICTION, Observations, Subject
from ml_pipeline.drift.verdicts import judge, significant_subjects

WINDOWS = 200
LABELS = ("price", "need", "urgency")


def window(random: np.random.Generator, conversations: int) -> Observations:
    """One window of the same sales floor: numbers that hang together, one twice, rare labels, two versions.

    Texts are left to tests/contracts/test_detectors.py: a classifier per window takes longer than all the rest.
    """
    mood = random.normal(size=conversations)
    words = np.exp(3 + 0.5 * mood + 0.5 * random.normal(size=conversations)).round()
    observations: Observations = {
        Subject(DATA, NUMBER, "current_words"): list(words),
        Subject(DATA, NUMBER, "customer_words"): list(words),
        Subject(DATA, NUMBER, "agent_words"): list((3 * words + random.normal(0, 20, conversations)).round()),
        Subject(DATA, NUMBER, "turn"): list(random.integers(0, 12, conversations) * 2.0),
        Subject(DATA, NUMBER, "current_questions"): list(random.poisson(0.3, conversations)),
    }
    for n, column in enumerate(("language", "phase", "program", "platform", "age_band")):
        shares = np.arange(1, 4 + n) ** -1.5
        drawn = random.choice(len(shares), conversations, p=shares / shares.sum())
        observations[Subject(DATA, CATEGORY, column)] = [str(value) for value in drawn]
    for n, label in enumerate(LABELS):
        held = random.random(conversations) < 0.3 / (1 + n) ** 2
        observations[Subject(LABEL, SHARE, task="objection", label=label)] = [bool(value) for value in held]
        for version in ("caller", "objection.anticipate/1"):
            score = 1 / (1 + np.exp(1 - 0.5 * mood - random.normal(size=conversations)))
            observations[Subject(PREDICTION, NUMBER, "", "objection", "anticipate", version, label)] = list(score)
    for version in ("caller", "objection.anticipate/1"):
        observations[Subject(PERFORMANCE, LOSS, "", "objection", "anticipate", version)] = list(
            random.lognormal(-1 + 0.3 * mood, 1.0)
        )
    return observations


@dataclass(frozen=True, slots=True)
class Alarms:
    """Windows of ``WINDOWS`` with anything below .05, significant within the budget, and reported."""

    uncorrected: int
    significant: int
    findings: int


@pytest.fixture(scope="module")
def alarms() -> Alarms:
    random = np.random.default_rng(20)
    uncorrected = significant = findings = 0
    for _ in range(WINDOWS):
        checks = judge(window(random, 400), window(random, 150))
        comparisons = {check.subject: check.comparison for check in checks if check.comparison}
        uncorrected += min(c.p_value for c in comparisons.values()) <= 0.05
        significant += bool(significant_subjects(comparisons))
        findings += any(check.has_drifted for check in checks)
    return Alarms(uncorrected, significant, findings)


def test_the_budget_holds_over_all_checks_of_a_window_together(alarms):
    allowed = 0.05 + 2 * (0.05 * 0.95 / WINDOWS) ** 0.5

    assert alarms.significant / WINDOWS <= allowed
    assert alarms.findings <= alarms.significant


def test_without_the_budget_most_windows_would_raise_an_alarm(alarms):
    assert alarms.uncorrected / WINDOWS > 0.4
