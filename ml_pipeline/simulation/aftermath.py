"""What comes after a call: the outcome the agent reports, and what people and the CRM say later."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ml_pipeline.simulation.call import Call
from ml_pipeline.simulation.customers import TIER_PRICES
from ml_pipeline.simulation.forecast import CANCELLED, wants_chance
from ml_pipeline.vocabulary.dialogue import LateLabel
from ml_pipeline.vocabulary.tasks import CONVERSION, NEEDS, OBJECTION, SOLD

HUMAN_SHARE, AGENT_SHARE = 0.3, 0.25
"""Shares of calls whose every customer turn a person, or the agent itself, labels afterwards."""
AGENT_MISSES, AGENT_INVENTS = 0.12, 0.01
PENDING_SHARE = 0.3
"""Share of sales the agent does not hear of: only the CRM, days later."""
CRM_CONFIRMS = 0.6
CRM_HOURS = (20, 96)
HUMAN_HOURS = (3, 30)
"""After the end of a call; no call takes the rest of the day."""
OUTCOME_DAYS = 5
LABEL_DAYS = 1.5
SATISFACTION_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Aftermath:
    """``is_sold`` is the truth; the agent's ``outcome`` and ``metrics`` may not know it yet."""

    is_sold: bool
    outcome: str
    metrics: dict[str, Any]
    late_labels: tuple[LateLabel, ...]


def aftermath(call: Call, rng: random.Random) -> Aftermath:
    """Return how ``call`` turned out."""
    has_agreed = not call.has_left and rng.random() < wants_chance(call.leaning)
    is_sold = has_agreed and rng.random() >= CANCELLED
    is_pending = has_agreed and rng.random() < PENDING_SHARE
    price = TIER_PRICES[call.customer.tier]
    metrics: dict[str, Any] = {
        "duration_seconds": round((call.messages[-1].at - call.messages[0].at).total_seconds(), 1),
        "message_count": len(call.messages),
    }
    if rng.random() < SATISFACTION_SHARE:
        metrics["satisfaction"] = min(5, max(1, round(3.4 + 0.7 * call.leaning + rng.gauss(0, 0.8))))
    if has_agreed and not is_pending:
        metrics |= {"conversion_value": price, "currency": "USD", "tier_selected": call.customer.tier}
        outcome = "converted"
    else:
        outcome = "abandoned" if call.has_left else "completed"
    labels = [*_turn_labels(call, rng)]
    if is_pending or has_agreed != is_sold or rng.random() < CRM_CONFIRMS:
        labels.append(_crm_label(call, is_sold, price if is_sold else 0.0, rng))
    return Aftermath(is_sold, outcome, metrics, tuple(labels))


def _crm_label(call: Call, is_sold: bool, value: float, rng: random.Random) -> LateLabel:
    at = call.messages[-1].at + timedelta(hours=round(rng.uniform(*CRM_HOURS), 2))
    return LateLabel(CONVERSION.name, (SOLD,) if is_sold else (), "crm", at, value=value, currency="USD")


def _turn_labels(call: Call, rng: random.Random) -> Iterator[LateLabel]:
    ended_at = call.messages[-1].at
    if rng.random() < AGENT_SHARE:
        for turn, truth in call.truth.items():
            for task, voiced in ((OBJECTION, truth.objections), (NEEDS, truth.needs)):
                heard = tuple(
                    label
                    for label in task.labels
                    if rng.random() < (1 - AGENT_MISSES if label in voiced else AGENT_INVENTS)
                )
                yield LateLabel(task.name, heard, "agent", ended_at + timedelta(minutes=1), turn)
    if rng.random() < HUMAN_SHARE:
        at = ended_at + timedelta(hours=round(rng.uniform(*HUMAN_HOURS), 2))
        for turn, truth in call.truth.items():
            yield LateLabel(OBJECTION.name, truth.objections, "human", at, turn)
            yield LateLabel(NEEDS.name, truth.needs, "human", at, turn)
