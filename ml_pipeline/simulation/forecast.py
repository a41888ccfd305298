"""What is true of a call: chances that follow from the latent state, exactly, by backward induction.

The leaning of a customer takes a random step between turns, drawn evenly from ``STEPS``; after each turn but the last
the customer may leave, the likelier the lower the leaning; who stays to the end buys with a probability of the leaning.
Steps, topics and objections are independent of each other given the customer, so that every chance of the future has
a closed form and nothing need be estimated by simulation.
"""

import math
from collections.abc import Callable, Collection, Mapping
from functools import cache
from statistics import NormalDist

from ml_pipeline.simulation.customers import MOST_TURNS, Customer
from ml_pipeline.vocabulary.tasks import NEEDS, OBJECTION

NORMAL = NormalDist()
STEPS = tuple(0.4 * NORMAL.inv_cdf((i + 0.5) / 21) for i in range(21))
LOWEST, WIDTH, CELLS = -8.0, 0.05, 320

CANCELLED = 0.03
"""Share of sales that are called off before the CRM confirms them."""

STAGES = ("greeting", "exploration", "presentation", "negotiation", "closing")
TOPICS: Mapping[str, Mapping[str, float]] = {
    "greeting": {"greeting": 1.0},
    "exploration": {"discovery": 0.7, "program": 0.2, "compare": 0.1},
    "presentation": {"program": 0.45, "proof": 0.25, "compare": 0.15, "price": 0.15},
    "negotiation": {"price": 0.4, "proof": 0.2, "time": 0.25, "compare": 0.15},
    "closing": {"close": 0.55, "time": 0.3, "price": 0.15},
}
STAGE_EFFECT = {"greeting": -2.5, "exploration": -0.7, "presentation": 0.0, "negotiation": 0.3, "closing": 0.1}
TOPIC_EFFECT: Mapping[str, Mapping[str, float]] = {
    "price": {"price": 1.8},
    "program": {"features": 1.3, "need": 0.7},
    "discovery": {"need": 1.0},
    "proof": {"trust": 1.5},
    "time": {"urgency": 1.8},
    "compare": {"competition": 1.8},
    "close": {"urgency": 1.0, "trust": 0.5, "price": 0.5},
}
NEED_STAGE_EFFECT = {"greeting": -3.0, "exploration": 0.4, "presentation": 0.4, "negotiation": -0.3, "closing": -0.8}


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def stage_of(turn: int, planned_turns: int) -> str:
    """Return the stage of the customer's ``turn``-th turn, from 0."""
    share = turn / planned_turns
    if turn == 0:
        return "greeting"
    return next((stage for stage, end in zip(STAGES[1:], (0.35, 0.6, 0.85), strict=False) if share < end), "closing")


def objection_chance(customer: Customer, label: str, stage: str, topic: str, voiced: Collection[str]) -> float:
    """Return the chance that the customer raises ``label`` right after the agent spoke of ``topic``."""
    told_already = -1.5 if label in voiced else 0.0
    effect = STAGE_EFFECT[stage] + TOPIC_EFFECT.get(topic, {}).get(label, 0.0)
    return sigmoid(-3.7 + 1.5 * customer.pressures[label] + effect + told_already)


def need_chance(customer: Customer, label: str, stage: str) -> float:
    """Return the chance that the customer voices the need ``label``."""
    return sigmoid(-3.0 + 1.1 * customer.curiosity[label] + NEED_STAGE_EFFECT[stage])


def leave_chance(leaning: float) -> float:
    """Return the chance that the customer ends the call early, after a turn that left them at ``leaning``."""
    return 0.12 * NORMAL.cdf(-1.2 - leaning)


def wants_chance(leaning: float) -> float:
    """Return the chance that a customer who stays to the end says yes."""
    return NORMAL.cdf(1.4 * leaning)


def sale_chance(leaning: float, turns_left: int) -> float:
    """Return the chance of a sale that lasts, for a customer with ``turns_left`` more turns in mind."""
    return _between(_sale_table(turns_left), leaning)


def objections_ahead(customer: Customer, leaning: float, turn: int, voiced: Collection[str]) -> dict[str, float]:
    """Return per label the chance that it is raised within the task's horizon after ``turn``."""
    left = customer.planned_turns - 1 - turn
    stages = [stage_of(turn + ahead, customer.planned_turns) for ahead in range(1, min(OBJECTION.horizon, left) + 1)]
    stays = [_between(_stay_table(ahead), leaning) for ahead in range(1, len(stages) + 1)]
    chances: dict[str, float] = {}
    for label in OBJECTION.labels:
        total, silent = 0.0, 1.0
        for stage, stay in zip(stages, stays, strict=True):
            now = sum(
                share * objection_chance(customer, label, stage, topic, voiced)
                for topic, share in TOPICS[stage].items()
            )
            total += silent * now * stay
            silent *= 1 - now
        chances[label] = total
    return chances


def nothing_ahead() -> dict[str, float]:
    """Return the chances after a customer has left."""
    return dict.fromkeys(OBJECTION.labels, 0.0)


def needs_now(customer: Customer, stage: str) -> dict[str, float]:
    """Return the chance of every need at a turn of ``stage``."""
    return {label: need_chance(customer, label, stage) for label in NEEDS.labels}


@cache
def _sale_table(turns_left: int) -> tuple[float, ...]:
    if not 0 <= turns_left < MOST_TURNS:
        raise ValueError(f"turns_left is {turns_left}; a call has at most {MOST_TURNS} turns")
    if turns_left == 0:
        return _table(lambda leaning: (1 - CANCELLED) * wants_chance(leaning))
    return _step_back(_sale_table(turns_left - 1))


@cache
def _stay_table(turns_ahead: int) -> tuple[float, ...]:
    return _table(lambda _: 1.0) if turns_ahead == 0 else _step_back(_stay_table(turns_ahead - 1))


def _step_back(later: tuple[float, ...]) -> tuple[float, ...]:
    """Return the value one turn earlier: the customer stays, the leaning takes a step."""
    return _table(
        lambda leaning: (
            (1 - leave_chance(leaning)) * sum(_between(later, leaning + step) for step in STEPS) / len(STEPS)
        )
    )


def _table(value: Callable[[float], float]) -> tuple[float, ...]:
    return tuple(value(LOWEST + WIDTH * cell) for cell in range(CELLS + 1))


def _between(table: tuple[float, ...], leaning: float) -> float:
    place = min(max((leaning - LOWEST) / WIDTH, 0.0), CELLS - 1e-9)
    cell = int(place)
    return table[cell] + (place - cell) * (table[cell + 1] - table[cell])
