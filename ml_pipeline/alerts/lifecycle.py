"""From verdicts to an alert: opened after enough firing hours in a row, resolved after enough quiet ones."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from ml_pipeline.alerts.rule import Rule
from ml_pipeline.alerts.verdict import State, Verdict

Key: TypeAlias = tuple[str, str]
"""Name of a rule, and a subject."""


class Step(StrEnum):
    """What becomes of the alert. ``SEEN``: it is open and fires still."""

    NOTHING = "nothing"
    OPEN = "open"
    SEEN = "seen"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a rule stands with one subject.

    ``streak``: firing hours in a row, quiet ones below 0. ``streak_before``: as it was before the hour
    ``judged_until``, so that judging that hour again, with late data, counts it once.
    """

    judged_until: datetime
    streak: int = 0
    streak_before: int = 0
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """A verdict, and what it makes of the standing and the alert of its rule and subject."""

    rule: Rule
    verdict: Verdict
    standing: Standing
    step: Step


def follow(judged: Iterable[tuple[Rule, Verdict]], standings: Mapping[Key, Standing], now: datetime) -> list[News]:
    """Return what becomes of every alert after the verdicts of ``now``."""
    return [
        News(
            rule,
            verdict,
            *advance(rule, standings.get((rule.name, verdict.subject)), verdict.state, rule.window(now).end),
        )
        for rule, verdict in judged
    ]


def advance(rule: Rule, standing: Standing | None, state: State, until: datetime) -> tuple[Standing, Step]:
    """Return where the rule stands after a verdict on what ended ``until``, and what becomes of the alert.

    A verdict on an earlier hour than the last one changes nothing.
    """
    if standing is None:
        standing = Standing(until)
    if until < standing.judged_until:
        return standing, Step.NOTHING
    before = standing.streak if until > standing.judged_until else standing.streak_before
    streak = _streak(before, state)
    now = replace(standing, judged_until=until, streak=streak, streak_before=before)
    if standing.is_open and streak <= -rule.clear_after:
        return replace(now, is_open=False), Step.RESOLVE
    if not standing.is_open and streak >= rule.fire_after:
        return replace(now, is_open=True), Step.OPEN
    return now, Step.SEEN if standing.is_open and state is State.FIRING else Step.NOTHING


def _streak(before: int, state: State) -> int:
    if state is State.FIRING:
        return max(before, 0) + 1
    if state is State.QUIET:
        return min(before, 0) - 1
    return 0 if state is State.BETWEEN else before
