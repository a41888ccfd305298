"""One sentence per check, for a sales manager."""

from collections.abc import Mapping
from typing import Any

from ml_pipeline.drift.comparison import MIN_UNITS, Comparison
from ml_pipeline.drift.detectors import CATEGORY, TEXT
from ml_pipeline.drift.subjects import DATA, LABEL, PERFORMANCE, Subject
from ml_pipeline.vocabulary.tasks import CALLER

NUMBERS = {
    "turn": ("Conversations run", "longer", "shorter", "messages before a prediction"),
    "current_words": ("Customers' messages are", "longer", "shorter", "words"),
    "customer_words": ("Customers talk", "more", "less", "words before a prediction"),
    "agent_words": ("The agent talks", "more", "less", "words before a prediction"),
    "current_questions": ("Customers ask", "more questions", "fewer questions", "a message"),
}
"""Feature: who does what, the words for up and for down, the unit of its mean."""

WORDS_OF = {
    "current": "a customer's message",
    "previous": "the agent's message before it",
    "history": "a customer's earlier messages",
}
"""Text feature: whose words."""

SAME_MEAN = 0.05
"""A mean that moved by less is called the same: then it is the spread that changed."""


def not_enough(subject: Subject, reference: int, recent: int) -> str:
    where, rows = ("reference", reference) if reference < recent else ("recent window", recent)
    return f"Not enough data on {subject.name}: {rows} conversations in the {where}, {MIN_UNITS} are needed."


def unchanged(subject: Subject) -> str:
    return f"No change that matters in {subject.name}."


def changed(subject: Subject, comparison: Comparison) -> str:
    """Say what changed and by how much."""
    evidence = comparison.evidence
    if subject.kind == LABEL:
        return (
            f"{subject.label} of {subject.task} holds in {_percent(evidence['recent_share'])} of conversations, "
            f"{_percent(evidence['reference_share'])} in the reference."
        )
    if subject.kind == PERFORMANCE:
        return (
            f"Answers on {subject.task} by {_who(subject.version)} got worse: "
            f"{comparison.effect:.0%} more loss than in the reference.".replace("%", " %")
        )
    if subject.kind == DATA:
        return _changed_feature(subject, evidence)
    return (
        f"The mean answer on {subject.label} of {subject.task} by {_who(subject.version)} is "
        f"{_percent(evidence['recent_mean'])}, {_percent(evidence['reference_mean'])} in the reference."
    )


def _changed_feature(subject: Subject, evidence: Mapping[str, Any]) -> str:
    if subject.values == TEXT:
        return _changed_words(subject.feature, evidence["words"])
    if subject.values == CATEGORY:
        return _changed_shares(subject.feature, evidence["reference_shares"], evidence["recent_shares"])
    return _changed_mean(subject.feature, evidence["reference_mean"], evidence["recent_mean"])


def _changed_mean(feature: str, then: float, now: float) -> str:
    what, up, down, unit = NUMBERS.get(feature, (f"The feature {feature} is", "higher", "lower", ""))
    measure = f"{now:.3g} {unit}".strip()
    if then and abs(now / then - 1) < SAME_MEAN:
        return f"{feature} varies otherwise than in the reference, at about the same mean: {measure}."
    share = f"{_percent(abs(now / then - 1))} " if then else ""
    return (
        f"{what} {share}{up if now > then else down} than in the reference: {measure} on average instead of {then:.3g}."
    )


def _changed_shares(feature: str, then: Mapping[str, float], now: Mapping[str, float]) -> str:
    category = max(then, key=lambda name: abs(now[name] - then[name]))
    share_now, share_then = _percent(now[category]), _percent(then[category])
    return f"{feature} is {category or 'unknown'} in {share_now} of conversations, {share_then} in the reference."


def _changed_words(feature: str, words: list[dict[str, Any]]) -> str:
    whose = WORDS_OF.get(feature, feature)
    examples = "; ".join(
        f"“{word['word']}” in {_percent(word['recent_share'])} of conversations instead of "
        f"{_percent(word['reference_share'])}"
        for word in words[:3]
    )
    return f"The words of {whose} have changed" + (f": {examples}." if examples else ".")


def _who(version: str) -> str:
    return "the agent itself" if version == CALLER else version


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.1f} %" if 0 < percent < 10 else f"{percent:.0f} %"
