"""Which differences are findings: significant within the window's false-alarm budget, and large enough to matter."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scipy import stats

from ml_pipeline.drift import headlines
from ml_pipeline.drift.comparison import Comparison
from ml_pipeline.drift.detectors import DETECTORS
from ml_pipeline.drift.subjects import DATA, LABEL, PERFORMANCE, PREDICTION, Observations, Subject
from ml_pipeline.vocabulary.verdicts import Severity

BUDGET: Mapping[str, float] = {DATA: 0.025, LABEL: 0.0125, PREDICTION: 0.00625, PERFORMANCE: 0.00625}
"""Chance of any false alarm per window and kind; together .05. A kind's many checks cannot drown another's few."""

NO_SEVERITY = "none"


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a window; ``comparison`` is None where there was not enough data.

    ``reference`` and ``recent`` count the conversations that had a value.
    """

    subject: Subject
    reference: int
    recent: int
    comparison: Comparison | None
    severity: str
    headline: str

    @property
    def has_drifted(self) -> bool:
        return self.severity != NO_SEVERITY


def compare_windows(reference: Observations, recent: Observations) -> dict[Subject, Comparison | None]:
    """Compare every subject that either window knows."""
    return {
        subject: DETECTORS[subject.values](reference.get(subject, ()), recent.get(subject, ()))
        for subject in sorted(reference.keys() | recent.keys())
    }


def judge(reference: Observations, recent: Observations) -> list[Check]:
    """Return one check per subject.

    A finding is significant after Benjamini-Hochberg within its kind's budget, and as large as its detector's floor.
    """
    comparisons = compare_windows(reference, recent)
    significant = significant_subjects({s: c for s, c in comparisons.items() if c is not None})
    return [
        _check(
            subject, comparison, subject in significant, len(reference.get(subject, ())), len(recent.get(subject, ()))
        )
        for subject, comparison in comparisons.items()
    ]


def significant_subjects(comparisons: Mapping[Subject, Comparison]) -> set[Subject]:
    """Return the subjects that stay significant over all checks of their kind.

    Reference: Y. Benjamini and Y. Hochberg, Controlling the false discovery rate, Journal of the Royal Statistical
    Society B 57(1), 1995. Where nothing changed, it raises any alarm at most at the budget's rate.
    """
    families: dict[str, list[Subject]] = defaultdict(list)
    for subject in comparisons:
        families[subject.kind].append(subject)
    return {
        subject
        for kind, family in families.items()
        for subject, adjusted in zip(family, _adjusted(comparisons[s].p_value for s in family), strict=True)
        if adjusted <= BUDGET[kind]
    }


def _adjusted(p_values: Iterable[float]) -> list[float]:
    return [float(p) for p in stats.false_discovery_control(list(p_values), method="bh")]


def _check(subject: Subject, comparison: Comparison | None, is_significant: bool, reference: int, recent: int) -> Check:
    if comparison is None:
        headline = headlines.not_enough(subject, reference, recent)
        return Check(subject, reference, recent, None, NO_SEVERITY, headline)
    severity = _severity(subject, comparison) if is_significant else NO_SEVERITY
    drifted = severity != NO_SEVERITY
    headline = headlines.changed(subject, comparison) if drifted else headlines.unchanged(subject)
    return Check(subject, reference, recent, comparison, severity, headline)


def _severity(subject: Subject, comparison: Comparison) -> str:
    detector = DETECTORS[subject.values]
    if comparison.effect >= detector.critical:
        return Severity.CRITICAL
    return Severity.WARNING if comparison.effect >= detector.warning else NO_SEVERITY
