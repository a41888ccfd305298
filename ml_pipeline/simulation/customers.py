"""Who calls. What drives a customer is latent: the agent sees age, platform and words, never pressures or leaning."""

import random
from dataclasses import dataclass
from datetime import datetime

from ml_pipeline.vocabulary.tasks import NEEDS, OBJECTION

PROGRAMS = {"PRIME": (28, 55), "LONGEVITY": (45, 78)}
TIER_PRICES = {"STARTER": 2_700.0, "PRO": 4_800.0, "ELITE": 9_600.0}
PLATFORMS = {"web": 0.45, "mobile": 0.35, "api": 0.1, "embedded": 0.1}
FEWEST_TURNS, MOST_TURNS = 7, 13

# How much each kind of reluctance weighs on the leaning of a customer who has it.
WEIGHT_ON_LEANING = {
    "price": 0.40,
    "need": 0.45,
    "urgency": 0.20,
    "trust": 0.35,
    "features": 0.20,
    "competition": 0.25,
}


@dataclass(frozen=True, slots=True)
class Customer:
    """One person.

    ``pressures`` per objection and ``curiosity`` per need are standard scores; ``leaning`` is where the wish to buy
    stands when the call begins; ``planned_turns`` how often they mean to speak.
    """

    customer_id: str
    language: str
    name: str
    age: int
    program: str
    tier: str
    platform: str
    pressures: dict[str, float]
    curiosity: dict[str, float]
    leaning: float
    planned_turns: int
    email: str
    phone: str


def draw_customer(rng: random.Random, number: int, name: str, language: str, calls_at: datetime) -> Customer:
    """Return somebody who calls at ``calls_at``."""
    program = rng.choice(sorted(PROGRAMS))
    youngest, oldest = PROGRAMS[program]
    age = round(rng.triangular(youngest, oldest))
    tier = rng.choices(list(TIER_PRICES), (0.5, 0.35, 0.15))[0]
    pressures = {label: rng.gauss(0, 1) for label in OBJECTION.labels}
    pressures["price"] += {"STARTER": -0.3, "PRO": 0.2, "ELITE": 0.8}[tier]
    pressures["trust"] += 0.02 * (age - 50)
    evening = 0.25 if calls_at.hour >= 17 else 0.0
    burden = sum(weight * pressures[label] for label, weight in WEIGHT_ON_LEANING.items())
    return Customer(
        customer_id=f"customer-{number:05d}",
        language=language,
        name=name,
        age=age,
        program=program,
        tier=tier,
        platform=rng.choices(list(PLATFORMS), list(PLATFORMS.values()))[0],
        pressures=pressures,
        curiosity={label: rng.gauss(0, 1) for label in NEEDS.labels},
        leaning=rng.gauss(-0.15 + evening, 0.6) - burden,
        planned_turns=rng.randint(FEWEST_TURNS, MOST_TURNS),
        email=f"{name.lower()}.{rng.randrange(10, 9_999)}@example.{'es' if language == 'es' else 'com'}",
        phone=_phone(rng, language),
    )


def _phone(rng: random.Random, language: str) -> str:
    if language == "es":
        return f"+34 6{rng.randrange(10, 99)} {rng.randrange(100, 999)} {rng.randrange(100, 999)}"
    return f"+1 415 555 {rng.randrange(1_000, 9_999)}"
