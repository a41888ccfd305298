"""The order in which a sequential test on labels may look at conversations: that of their start, all at the same age.

A test that takes each conversation when its outcome arrives sees outcomes that come fast before those that come late.
When traffic grows or shrinks their mixture changes, though nothing else did: with sales after days and losses after a
month, a rate of .10 drops to about .07 when traffic halves and rises to about .16 when it doubles. So each
conversation counts once, with what was known of it at one fixed age, whatever that was; what is learnt later counts
for nobody.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Told:
    """A conversation and its outcome, both None while nothing is known."""

    conversation_id: str
    started_at: datetime
    outcome: bool | None = None
    learnt_at: datetime | None = None


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a conversation stands in the order of start."""

    started_at: datetime
    conversation_id: str


@dataclass(frozen=True, slots=True)
class Observation:
    """One element of the stream. ``outcome``: what was known at the age of the stream, None for nothing."""

    conversation_id: str
    outcome: bool | None


@dataclass(frozen=True, slots=True)
class Stream:
    """How far a test has come. Keep it with the test: the next look goes on from here.

    ``passed`` is the last conversation that was observed, ``taken`` holds all of them.
    """

    age: timedelta
    passed: Place | None = None
    taken: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Step:
    """What a look adds.

    ``late`` are conversations that became known when later ones had been observed already: they are left out for good,
    for the test has moved on. ``waiting`` are not yet of the age.
    """

    observations: tuple[Observation, ...]
    waiting: int
    late: tuple[str, ...]
    stream: Stream


def advance(stream: Stream, conversations: Iterable[Told], as_of: datetime) -> Step:
    """Observe the conversations that have come of age since the last look.

    ``conversations`` may come in any order, and may hold those observed before.

    >>> from datetime import UTC
    >>> noon, day = datetime(2026, 3, 1, 12, tzinfo=UTC), timedelta(days=1)
    >>> told = [Told("b", noon + day), Told("a", noon, outcome=True, learnt_at=noon + 2 * day)]
    >>> step = advance(Stream(age=3 * day), told, as_of=noon + 3 * day)
    >>> step.observations, step.waiting
    ((Observation(conversation_id='a', outcome=True),), 1)
    """
    pending = {told.conversation_id: told for told in conversations if told.conversation_id not in stream.taken}
    in_order = sorted(pending.values(), key=_place)
    late = [told for told in in_order if stream.passed is not None and _place(told) < stream.passed]
    in_turn = in_order[len(late) :]
    of_age = [told for told in in_turn if told.started_at + stream.age <= as_of]
    return Step(
        observations=tuple(_observe(told, stream.age) for told in of_age),
        waiting=len(in_turn) - len(of_age),
        late=tuple(told.conversation_id for told in late),
        stream=replace(
            stream,
            passed=_place(of_age[-1]) if of_age else stream.passed,
            taken=stream.taken | {told.conversation_id for told in of_age},
        ),
    )


def _place(told: Told) -> Place:
    return Place(told.started_at, told.conversation_id)


def _observe(told: Told, age: timedelta) -> Observation:
    is_known = told.learnt_at is not None and told.learnt_at <= told.started_at + age
    return Observation(told.conversation_id, told.outcome if is_known else None)
