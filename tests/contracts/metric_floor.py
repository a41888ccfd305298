"""A sales floor that has something of everything metrics are sliced by."""

import random
from collections.abc import Iterator

from ml_pipeline.vocabulary.tasks import DEFAULT_TASKS
from tests.integration.events import Event, after, assignment, error, label, outcome, prediction, turn

PHASES = ("greeting", "presentation", "objection_handling", "closing")
OUTCOMES = ("converted", "completed", "abandoned")
TURNS = 8


def many_sided_floor(conversations: int = 18, seed: int = 3) -> list[Event]:
    """Return conversations of ten minutes every 25: some cross the hour, some say nothing of themselves.

    Some are in two experiments, some in none; sales in two currencies, refunds, late truths of every source, failures.
    """
    chance = random.Random(seed)
    return [event for index in range(conversations) for event in _conversation(index, chance)]


def _conversation(index: int, chance: random.Random) -> Iterator[Event]:
    name, start = f"many-{index}", index * 1500.0
    source = {"source": chance.choice(["agent", "persuasionforgood"])}
    known = {
        "language": chance.choice(["en", "es"]),
        "program": chance.choice(["PRIME", "LONGEVITY"]),
        "platform": chance.choice(["web", "mobile"]),
    }
    about = {"conversation": known} if index % 6 else {}
    for number in range(TURNS):
        at = after(start + number * 80)
        is_customer = number % 2 == 1
        text = "What does it cost? " * chance.randint(1, 4)
        said = turn(name, number, text, role="user" if is_customer else "assistant", at=at, **about)
        yield said | source
        if is_customer:
            yield from (each | source for each in _answers(name, number, start, chance))
    if index % 3:
        yield assignment(name, chance.choice(["warm", "cold"]), at=after(start)) | source
    if index % 4 == 0:
        yield assignment(name, chance.choice(["short", "long"]), "closing", at=after(start)) | source
    if index % 5 == 0:
        yield assignment(name, "soft", "tone", at=after(start), reason="switched_off") | source
        yield error(name, at=after(start + 30)) | source
        yield prediction(name, 1, is_fallback=True, at=after(start + 31)) | source
    yield from (each | source for each in _truths(name, index, start, chance))


def _answers(name: str, number: int, start: float, chance: random.Random) -> Iterator[Event]:
    for task in DEFAULT_TASKS:
        for version in ("caller", f"{task.name}.{task.mode}/1"):
            answer = {each: round(chance.random(), 3) for each in task.labels}
            phase = {"phase": PHASES[min(number // 2, chance.randint(1, 3))]} if chance.random() < 0.9 else {}
            yield prediction(
                name, number, task.name, probabilities=answer, mode=str(task.mode), version=version, context=phase,
                latency_ms=round(chance.lognormvariate(2, 1), 3), at=after(start + number * 80 + 1),
            )  # fmt: skip


def _truths(name: str, index: int, start: float, chance: random.Random) -> Iterator[Event]:
    if index % 5:
        teller = chance.choice(["human", "agent", "derived"])
        for number in range(1, TURNS, 2):
            for task, labels in (("objection", ("price", "trust")), ("needs", ("roi", "support"))):
                held = [each for each in labels if chance.random() < 0.3]
                yield label(name, task, held, number=number, source=teller, at=after(start + 3000 + number))
        yield label(name, "needs", ["features"], number=3, source="derived", at=after(start + 3100))
    if index % 7:
        result = chance.choice(OUTCOMES)
        price = {"conversion_value": chance.choice([90, 250]), "currency": chance.choice(["USD", "EUR"])}
        rated = {"satisfaction": chance.choice([1.0, 3.5, 5.0])} if index % 2 else {}
        yield outcome(name, result, at=after(start + 700), **(price if result == "converted" else {}), **rated)
    if index % 6 == 1:
        yield label(name, "conversion", ["sold"], source="crm", value=120, currency="USD", at=after(days=2))
    if index % 9 == 1:
        yield label(name, "conversion", [], source="crm", value=-50, currency="USD", at=after(days=3))
