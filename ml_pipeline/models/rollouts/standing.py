"""How the rollout of one task stands: who is champion, who is tried, who is held back, who waits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """What a version may be. The last three end its way; the others are held by one version of a task at a time."""

    CANDIDATE = "candidate"
    SHADOW = "shadow"
    CANARY = "canary"
    CHAMPION = "champion"
    HOLDBACK = "holdback"
    RETIRED = "retired"
    REJECTED = "rejected"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True, slots=True)
class Held:
    """A state that a version holds. ``share``: the part of the conversations it answers, in [0, 1].

    ``judged_against``: the champion that its gate compared it with; None: with nobody. ``reason``, ``metrics``: of the
    decision that put it there; metrics are those of a gate, {name: {value, low, high}}.
    """

    version: str
    state: State
    share: float
    since: datetime
    judged_against: str | None = None
    reason: str = ""
    metrics: Mapping[str, Any] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one task. ``is_paused``: a kill switch keeps challengers from running, so that nothing can be said of them.

    ``held_back_days``: for how long the champion was held back, without pauses.
    """

    held: tuple[Held, ...] = field(default=())
    is_paused: bool = False
    held_back_days: float = 0.0

    @property
    def champion(self) -> Held | None:
        return self._in(State.CHAMPION)

    @property
    def challenger(self) -> Held | None:
        return self._in(State.SHADOW, State.CANARY)

    @property
    def holdback(self) -> Held | None:
        return self._in(State.HOLDBACK)

    @property
    def candidate(self) -> Held | None:
        return self._in(State.CANDIDATE)

    def _in(self, *states: State) -> Held | None:
        return next((held for held in self.held if held.state in states), None)
