from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from ml_pipeline.alerts.rule import Rule, Share
from ml_pipeline.alerts.verdict import State, Verdict
from ml_pipeline.alerts.wording import span
from ml_pipeline.vocabulary.interval import Interval

Signal = Literal["conversations", "predicted_conversations", "labelled_answers", "trusted_hours"]

WORDS: Mapping[Signal, str] = {
    "conversations": "conversations started",
    "predicted_conversations": "conversations with a prediction",
    "labelled_answers": "answers whose truth is known",
    "trusted_hours": "hours with conversations that may be read",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """How often something was seen, and how often it should have been."""

    subject: str
    window: Interval
    count: int
    expected: float
    evidence: Mapping[str, Any]


class Absence(Rule, frozen=True, kw_only=True, tag="absence"):
    """What usually comes does not: at most the share ``bound`` of what was to be expected, of at least ``min_n``.

    ``signal``: what is counted, by the statement ``absent_<signal>`` in sql/queries/alerts.sql, which also says what
    was to be expected. It is quiet again from twice the bound on.
    """

    signal: Signal
    bound: Share = 0.1
    min_n: Annotated[int, msgspec.Meta(ge=1)] = 20

    def judge(self, reading: Reading) -> Verdict:
        return Verdict(
            reading.subject,
            self._state(reading),
            reading.count,
            self.bound * reading.expected,
            round(reading.expected),
            f"{reading.count:,} {WORDS[self.signal]}{f' ({reading.subject})' if reading.subject else ''} "
            f"{span(reading.window)}; about {reading.expected:,.0f} were to be expected.",
            {**reading.evidence, "expected": reading.expected},
        )

    def _state(self, reading: Reading) -> State:
        if reading.expected < self.min_n:
            return State.UNKNOWN
        if reading.count <= self.bound * reading.expected:
            return State.FIRING
        return State.QUIET if reading.count > 2 * self.bound * reading.expected else State.BETWEEN
