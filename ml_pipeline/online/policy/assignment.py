"""Which arm of an experiment a conversation gets: a pure function, the same in every process."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

CONVERSATION = "conversation"
CUSTOMER = "customer"


class Arm(msgspec.Struct, frozen=True):
    """Weights are relative: an arm's chance is its weight over the sum of all."""

    name: str
    weight: Annotated[float, msgspec.Meta(ge=0)]


class Eligibility(msgspec.Struct, frozen=True):
    """A conversation must be in every list that is given, whatever the case of letters; unknown is in none."""

    languages: tuple[str, ...] | None = None
    programs: tuple[str, ...] | None = None
    platforms: tuple[str, ...] | None = None

    def admits(self, about: Mapping[str, object]) -> bool:
        rules = ((self.languages, "language"), (self.programs, "program"), (self.platforms, "platform"))
        return all(
            allowed is None or str(about.get(name, "")).lower() in {value.lower() for value in allowed}
            for allowed, name in rules
        )


class Experiment(msgspec.Struct, frozen=True):
    """A running experiment as the policy tells it. The first arm is the control.

    ``traffic``: the share of units that takes part. ``reason`` is kept with each assignment: ``drawn``, or
    ``switched_off`` where a kill switch left the control alone.
    """

    id: str
    name: str
    unit: Literal["conversation", "customer"]
    salt: str
    traffic: float
    arms: Annotated[tuple[Arm, ...], msgspec.Meta(min_length=1)]
    eligibility: Eligibility
    reason: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """``unit`` and ``unit_id``: what the arm was drawn by. ``propensity``: the chance this arm had, in (0, 1]."""

    arm: str
    unit: str
    unit_id: str
    propensity: float


def assign(experiment: Experiment, conversation: str, about: Mapping[str, object]) -> Assignment | None:
    """Return the arm of the conversation with this UUID, of which ``about`` is known; None where it takes no part.

    A customer without a key counts by the conversation.

    >>> arms = (Arm("plain", 1), Arm("warm", 3))
    >>> greeting = Experiment("e1", "greeting", "conversation", "e1", 1.0, arms, Eligibility(("es",)), "drawn")
    >>> assign(greeting, "c-1", {"language": "es"})
    Assignment(arm='warm', unit='conversation', unit_id='c-1', propensity=0.75)
    >>> assign(greeting, "c-1", {"language": "en"}) is None
    True
    """
    if not experiment.eligibility.admits(about):
        return None
    unit, unit_id = unit_of(about, conversation) if experiment.unit == CUSTOMER else (CONVERSATION, conversation)
    if place(experiment.salt, "traffic", unit_id) >= experiment.traffic:
        return None
    arm, propensity = _draw(experiment, unit_id)
    return Assignment(arm.name, unit, unit_id, propensity)


def unit_of(about: Mapping[str, object], conversation: str) -> tuple[str, str]:
    """Return what a customer's conversations are drawn by, and its id: the customer's key, else the conversation."""
    customer = about.get("customer_key")
    return (CUSTOMER, str(customer)) if customer else (CONVERSATION, conversation)


def _draw(experiment: Experiment, unit_id: str) -> tuple[Arm, float]:
    """Return the arm drawn by weighted rendezvous, and its chance; the control where no arm has a weight.

    Each arm's place is made of its own name alone, so an arm that comes, goes or changes its weight moves no unit
    between the others; docs/decisions/0010.
    """
    weighted = [arm for arm in experiment.arms if arm.weight > 0]
    if not weighted:
        return experiment.arms[0], 1.0
    drawn = min(weighted, key=lambda arm: -math.log(place(experiment.salt, f"arm\x1f{arm.name}", unit_id)) / arm.weight)
    return drawn, drawn.weight / sum(arm.weight for arm in weighted)


def place(salt: str, what: str, unit_id: str) -> float:
    """Return a number in (0, 1), even and independent for each salt, purpose and unit."""
    digest = hashlib.sha256(f"{salt}\x1f{what}\x1f{unit_id}".encode()).digest()
    return (int.from_bytes(digest[:6], "big") + 0.5) / 2**48
