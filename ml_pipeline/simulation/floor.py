"""A month on the floor: calls, outcomes, what people and the CRM say later, and the truth apart from all of it."""

import json
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ml_pipeline.simulation.aftermath import LABEL_DAYS, OUTCOME_DAYS, Aftermath, aftermath
from ml_pipeline.simulation.call import Call, TurnTruth, play
from ml_pipeline.simulation.customers import draw_customer
from ml_pipeline.simulation.speech import phrases
from ml_pipeline.vocabulary.dialogue import Dialogue, Source, oldest_first
from ml_pipeline.vocabulary.tasks import DEFAULT_TASKS

NAME = "simulated"
FIRST_DAY = datetime(2025, 3, 3, tzinfo=UTC)  # a Monday
HOURS = {9: 2, 10: 4, 11: 5, 12: 3, 13: 2, 15: 3, 16: 4, 17: 5, 18: 5, 19: 3}
WEEKEND_WEIGHT = 0.3


@dataclass(frozen=True, slots=True)
class SimulatedFloor:
    """A source, and what is true of it by (conversation, turn); no agent, service or job ever sees the truth."""

    source: Source
    truth: Mapping[tuple[str, int], TurnTruth]
    sold: Mapping[str, bool]

    def write_truth(self, path: Path) -> None:
        """Write the truth as JSON lines, one customer turn each."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as lines:
            for (conversation_id, turn), truth in self.truth.items():
                known = {"conversation_id": conversation_id, "turn": turn, "is_sold": self.sold[conversation_id]}
                lines.write(json.dumps(known | asdict(truth)) + "\n")


def simulated_floor(seed: int = 1, conversations: int = 1_200, days: int = 28) -> SimulatedFloor:
    """Return a floor: equal arguments, equal floor."""
    dialogues: list[Dialogue] = []
    truth: dict[tuple[str, int], TurnTruth] = {}
    sold: dict[str, bool] = {}
    for number in range(conversations):
        # A stream per call: a larger floor contains the smaller one.
        rng = random.Random(f"{seed}/{number}")
        start = _start(rng, days)
        conversation_id = f"simulated-{seed}-{number:05d}"
        language = "es" if rng.random() < 0.6 else "en"
        name = rng.choice(phrases(language)["slots"]["name"])
        call = play(draw_customer(rng, number, name, language, start), start, rng)
        after = aftermath(call, rng)
        dialogues.append(_dialogue(conversation_id, call, after, rng))
        sold[conversation_id] = after.is_sold
        truth |= {(conversation_id, turn): known for turn, known in call.truth.items()}
    source = Source(
        NAME, True, DEFAULT_TASKS, oldest_first(dialogues), outcome_days=OUTCOME_DAYS, label_days=LABEL_DAYS
    )
    return SimulatedFloor(source, truth, sold)


def simulated_source(seed: int = 1, conversations: int = 1_200, days: int = 28) -> Source:
    """Return what the agent sees of a floor."""
    return simulated_floor(seed, conversations, days).source


def _start(rng: random.Random, days: int) -> datetime:
    """Return when a call begins: less likely at weekends, most likely late in the afternoon."""
    every_day = [FIRST_DAY + timedelta(days=day) for day in range(days)]
    day = rng.choices(every_day, [WEEKEND_WEIGHT if day.weekday() >= 5 else 1.0 for day in every_day])[0]
    hour = rng.choices(list(HOURS), list(HOURS.values()))[0]
    return day + timedelta(hours=hour, seconds=rng.randrange(3_600))


def _dialogue(conversation_id: str, call: Call, after: Aftermath, rng: random.Random) -> Dialogue:
    return Dialogue(
        conversation_id=conversation_id,
        messages=tuple(call.messages),
        outcome=after.outcome,
        metrics=after.metrics,
        context=_context(call, rng),
        phases=tuple(call.phases),
        late_labels=after.late_labels,
    )


def _context(call: Call, rng: random.Random) -> dict[str, Any]:
    """Return what the agent knows of the caller: nothing latent, and the language not always."""
    customer = call.customer
    person = {"customer_id": customer.customer_id, "age": customer.age}
    if rng.random() < 0.3:
        person["email"] = customer.email
    language = {"language": customer.language} if rng.random() < 0.85 else {}
    return {"program_type": customer.program, "platform": customer.platform, "customer_data": person} | language
