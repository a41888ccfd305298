"""From what the triggers say of a task to one verdict: ask for a retraining, or why not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from ml_pipeline.models.triggers.learning_curve import is_flat
from ml_pipeline.models.triggers.standing import Standing
from ml_pipeline.models.triggers.trigger import Finding, Hope, Priority, State, Trigger

WEEK = timedelta(days=7)
PRIORITIES: tuple[Priority, ...] = ("low", "normal", "high")

Said: TypeAlias = Sequence[tuple[Trigger, Finding]]


class TriggerVerdict(StrEnum):
    ASK = "ASK"
    """a request was made, or those of agents accepted"""
    QUIET = "QUIET"
    """nothing asks for it"""
    WAITING = "WAITING"
    """it was asked for already, and no run has answered"""
    COOLING_DOWN = "COOLING DOWN"
    ANSWERED = "ANSWERED"
    """what fires was known before the last gate, which has taken it in"""
    WOULD_NOT_HELP = "WOULD NOT HELP"
    OVER_BUDGET = "OVER BUDGET"


@dataclass(frozen=True, slots=True)
class Limits:
    """``per_week``: gates of a task within seven days; ``gates`` of them within ``gates_within``: the error budget."""

    per_week: int
    gates: int
    gates_within: timedelta


@dataclass(frozen=True, slots=True)
class Decision:
    verdict: TriggerVerdict
    reason: str
    priority: Priority = "normal"


def decide(said: Said, standing: Standing, limits: Limits) -> Decision:
    """Return whether to ask for a retraining of the task.

    What fires is left out in this order: asked for already, cooling down, answered by the last gate; then more of the
    same data where the learning curve is flat; then the budget.
    """
    fired = [(trigger, finding) for trigger, finding in said if finding.state is State.FIRED]
    if not fired:
        return Decision(TriggerVerdict.QUIET, _quiet(said))
    last = standing.last_retrained
    warm = [each for each in fired if last is None or _cool_at(each[0], last) <= standing.now]
    fresh = [each for each in warm if last is None or each[1].known_at is None or each[1].known_at > last]
    return (
        _asked_already(standing)
        or (None if warm else _cooling_down(fired, last))
        or (
            None if fresh else Decision(TriggerVerdict.ANSWERED, f"known before the gate of {_at(last)}: {_told(warm)}")
        )
        or _no_help(fresh, standing)
        or _over_budget(fresh, standing, limits)
        or Decision(
            TriggerVerdict.ASK, _told(fresh), max((trigger.priority for trigger, _ in fresh), key=PRIORITIES.index)
        )
    )


def _quiet(said: Said) -> str:
    unknown = [trigger.name for trigger, finding in said if finding.state is not State.QUIET]
    return "nothing asks for it" + (f"; cannot tell yet: {', '.join(unknown)}" if unknown else "")


def _asked_already(standing: Standing) -> Decision | None:
    accepted = [each for each in standing.waiting if each.is_accepted]
    if not accepted:
        return None
    first = min(accepted, key=lambda each: each.requested_at)
    return Decision(TriggerVerdict.WAITING, f"{first.actor} asked at {_at(first.requested_at)}: {first.reason}")


def _cooling_down(fired: Said, last: datetime | None) -> Decision:
    soonest = min(_cool_at(trigger, last) for trigger, _ in fired if last)
    return Decision(TriggerVerdict.COOLING_DOWN, f"until {_at(soonest)}: {_told(fired)}")


def _no_help(fresh: Said, standing: Standing) -> Decision | None:
    judged = standing.judged
    if judged is None or not is_flat(judged.curve) or any(trigger.hope is not Hope.MORE_DATA for trigger, _ in fresh):
        return None
    first, whole = judged.curve[0], judged.curve[-1]
    reason = (
        f"more of the same data would not: {standing.task.primary_metric} was {whole.value:.3f} [{whole.low:.3f},"
        f" {whole.high:.3f}] after {whole.conversations:,} conversations, {first.value:.3f} after"
        f" {first.conversations:,}, which is flat. What would help: something new to see (features, another kind of"
        f" model), or truer labels. Fired: {_told(fresh)}"
    )
    return Decision(TriggerVerdict.WOULD_NOT_HELP, reason)


def _over_budget(fresh: Said, standing: Standing, limits: Limits) -> Decision | None:
    for most, within, what in (
        (limits.per_week, WEEK, "7 days"),
        (limits.gates, limits.gates_within, f"{limits.gates_within.days} days, the gate's error budget"),
    ):
        recent = [at for at in standing.retrained if at > standing.now - within]
        if len(recent) >= most:
            reason = f"{len(recent)} gates of {most} in {what}; {_next(recent, within)}: {_told(fresh)}"
            return Decision(TriggerVerdict.OVER_BUDGET, reason)
    return None


def _next(recent: Sequence[datetime], within: timedelta) -> str:
    return f"the next may be at {_at(min(recent) + within)}" if recent else "the settings allow none"


def _told(fired: Said) -> str:
    return "; ".join(f"{trigger.name}: {finding.headline}" for trigger, finding in fired)


def _cool_at(trigger: Trigger, last: datetime) -> datetime:
    return last + timedelta(hours=trigger.cool_down_hours)


def _at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "never"
