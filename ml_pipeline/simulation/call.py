"""Plays one call: the latent state moves, words follow from it, and the truth of every turn is written down."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ml_pipeline.simulation.customers import Customer
from ml_pipeline.simulation.forecast import (
    STEPS,
    TOPICS,
    leave_chance,
    needs_now,
    nothing_ahead,
    objection_chance,
    objections_ahead,
    sale_chance,
    stage_of,
)
from ml_pipeline.simulation.speech import CARD, Speaker
from ml_pipeline.vocabulary.dialogue import Message
from ml_pipeline.vocabulary.tasks import NEEDS, OBJECTION

WORDS_PER_SECOND = 2.4

VAGUE, PRETEXT, DIRECT = 0.3, 0.1, 0.2
"""Shares of objections that name no reason, that name another one, or that say it outright; the rest is indirect."""
VAGUE_NEED, OTHER_NEED = 0.25, 0.1
"""Shares of needs asked for in no particular words, or by asking for something else."""
HINT, DISTRACTOR, REPORTED, IDLE, LEAN, DOUBT, CHAT = 0.5, 0.2, 0.1, 0.12, 0.4, 0.1, 0.15
"""Chances per turn of what is said besides."""


@dataclass(frozen=True, slots=True)
class TurnTruth:
    """What is true at one customer turn: chances from the latent state, labels as the customer meant them.

    ``sale`` and ``objections_ahead`` are probabilities of the future given the state after this turn; ``objections``
    and ``needs`` were voiced in it.
    """

    sale: float
    objections: tuple[str, ...]
    objections_ahead: dict[str, float]
    needs: tuple[str, ...]


@dataclass(slots=True)
class Call:
    """A call as it went. ``truth`` by message index; ``leaning`` is where the customer stood at its end."""

    customer: Customer
    messages: list[Message] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    truth: dict[int, TurnTruth] = field(default_factory=dict)
    leaning: float = 0.0
    has_left: bool = False


def play(customer: Customer, start: datetime, rng: random.Random) -> Call:
    """Return the call of ``customer`` that begins at ``start``."""
    return _Player(customer, start, rng).play()


class _Player:
    def __init__(self, customer: Customer, start: datetime, rng: random.Random) -> None:
        self._rng = rng
        self._at = start
        self._call = Call(customer, leaning=customer.leaning)
        known = {"name": customer.name, "email": customer.email, "phone": customer.phone, "card": CARD}
        self._speaker = Speaker(customer.language, known, rng)
        self._voiced: set[str] = set()
        self._was_objected = False

    def play(self) -> Call:
        customer, call = self._call.customer, self._call
        for turn in range(customer.planned_turns):
            step = self._rng.choice(STEPS) if turn else 0.0
            call.leaning += step
            self._exchange(turn, step)
            if turn + 1 < customer.planned_turns and self._rng.random() < leave_chance(call.leaning):
                self._leave(turn + 1)
                return call
        self._say("assistant", self._speaker.agent("goodbye"), "completed")
        return call

    def _exchange(self, turn: int, step: float) -> None:
        customer = self._call.customer
        stage = stage_of(turn, customer.planned_turns)
        topic = self._agent_speaks(stage)
        objections = tuple(
            label
            for label in OBJECTION.labels
            if self._rng.random() < objection_chance(customer, label, stage, topic, self._voiced)
        )
        needs = tuple(label for label, chance in needs_now(customer, stage).items() if self._rng.random() < chance)
        self._voiced.update(objections)
        self._was_objected = bool(objections)
        words = self._speaker.customer(*self._parts(topic, stage, step, objections, needs))
        self._say("user", words, self._call.phases[-1])
        self._call.truth[len(self._call.messages) - 1] = TurnTruth(
            sale=sale_chance(self._call.leaning, customer.planned_turns - 1 - turn),
            objections=objections,
            objections_ahead=objections_ahead(customer, self._call.leaning, turn, self._voiced),
            needs=needs,
        )

    def _agent_speaks(self, stage: str) -> str:
        topic = self._rng.choices(list(TOPICS[stage]), list(TOPICS[stage].values()))[0]
        if self._was_objected:
            self._say("assistant", self._speaker.agent("handling", topic), "objection_handling")
        else:
            self._say("assistant", self._speaker.agent(topic), stage)
        return topic

    def _leave(self, turn: int) -> None:
        self._agent_speaks(stage_of(turn, self._call.customer.planned_turns))
        self._say("user", self._speaker.customer(("reaction", "leave")), self._call.phases[-1])
        self._call.truth[len(self._call.messages) - 1] = TurnTruth(0.0, (), nothing_ahead(), ())
        self._call.has_left = True

    def _parts(
        self, topic: str, stage: str, step: float, objections: tuple[str, ...], needs: tuple[str, ...]
    ) -> list[tuple[str, ...]]:
        parts: list[tuple[str, ...]] = [*self._mood(step), ("answer", topic)]
        meant: list[tuple[str, ...]] = [self._objection(label) for label in objections]
        meant += [self._need(label) for label in needs]
        meant += [*self._asides(), *self._noise()]
        if stage == "closing" and self._rng.random() < 0.35:
            meant.append(("contact", "say"))
        self._rng.shuffle(meant)
        return parts + meant

    def _mood(self, step: float) -> Iterator[tuple[str, ...]]:
        """Yield the reaction: mostly how the last step went, somewhat where the customer stands, partly chance."""
        mood = step / 0.4 + 0.6 * self._call.leaning + self._rng.gauss(0, 0.8)
        if self._rng.random() < 0.8:
            yield "reaction", "positive" if mood > 0.6 else "negative" if mood < -0.6 else "neutral"

    def _objection(self, label: str) -> tuple[str, ...]:
        chance = self._rng.random()
        if chance < VAGUE:
            return "vague", "objection"
        said = self._rng.choice(OBJECTION.labels) if chance < VAGUE + PRETEXT else label
        return "objection", said, "direct" if chance > 1 - DIRECT else "indirect"

    def _need(self, label: str) -> tuple[str, ...]:
        chance = self._rng.random()
        if chance < VAGUE_NEED:
            return "pretext", "need"
        return "need", self._rng.choice(NEEDS.labels) if chance < VAGUE_NEED + OTHER_NEED else label, "say"

    def _asides(self) -> Iterator[tuple[str, ...]]:
        """Yield what the latent state lets slip: what may be objected to later, and how the customer leans."""
        pressures = self._call.customer.pressures
        if self._rng.random() < HINT:
            weights = [math.exp(1.6 * pressure) for pressure in pressures.values()]
            yield "hint", self._rng.choices(list(pressures), weights)[0]
        if self._rng.random() < LEAN:
            is_warm = self._rng.gauss(0, 0.8) < self._call.leaning
            yield "lean", "warm" if is_warm else "cold"

    def _noise(self) -> Iterator[tuple[str, ...]]:
        """Yield what means nothing: objections in praise or in another's mouth, idle questions, small talk."""
        label = self._rng.choice(OBJECTION.labels)
        if self._rng.random() < DISTRACTOR:
            yield "distractor", label
        if self._rng.random() < REPORTED:
            yield "reported", label
        if self._rng.random() < IDLE:
            yield ("need", self._rng.choice(NEEDS.labels), "say") if self._rng.random() < 0.5 else ("pretext", "need")
        if self._rng.random() < DOUBT:
            yield "vague", "objection"
        if self._rng.random() < CHAT:
            yield "chat", "say"

    def _say(self, role: str, content: str, phase: str) -> None:
        if self._call.messages:
            self._at += timedelta(seconds=round(self._rng.uniform(0.4, 2.5), 1))
        self._call.messages.append(Message(role, content, self._at))
        self._call.phases.append(phase)
        self._at += timedelta(seconds=round(len(content.split()) / WORDS_PER_SECOND, 1))
