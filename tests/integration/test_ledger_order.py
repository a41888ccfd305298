"""However truths arrive, the facts are the same, and so is what was known at every moment."""

import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import pytest

from ml_pipeline.jobs import ingest_events
from tests.integration.events import Event, append, conversation_id, label, outcome, rows, turn
from tests.integration.ledger import CALL, day

RANKS = {"human": 1, "crm": 2, "agent": 3, "derived": 4}
OFTEN = ("crm", "crm", "crm", *RANKS)
NAMES = ("a", "b")

# One row per moment: the sales, the labels and the outcomes as they were known.
KNOWN = """
SELECT (SELECT jsonb_agg(to_jsonb(s) ORDER BY conversation_id)
        FROM sales_as_of(moment, %(low)s, %(high)s) AS s) AS sales,
       (SELECT coalesce(jsonb_agg(to_jsonb(l) ORDER BY conversation_id, task, turn), '[]')
        FROM labels_as_of(moment) AS l) AS labels,
       (SELECT coalesce(jsonb_agg(event_id ORDER BY event_id), '[]') FROM outcomes_as_of(moment)) AS outcomes
FROM unnest(%(moments)s::timestamptz[]) AS moment
ORDER BY moment
"""
FACTS = """
SELECT (SELECT jsonb_agg(to_jsonb(o) ORDER BY event_id) FROM outcomes AS o) AS outcomes,
       (SELECT jsonb_agg(to_jsonb(l) ORDER BY event_id) FROM labels AS l) AS labels
"""


def told(chance: random.Random) -> list[Event]:
    """Return truths about two conversations: sales, refunds, losses and labels of turns, some at one instant, many that
    supersede another: themselves, each other, one of the other conversation, or one that never comes."""
    events = [turn(name, 0, at=CALL) for name in NAMES]
    for _ in range(16):
        name, at = chance.choice(NAMES), day(chance.randrange(3))
        value = chance.choice([None, 0, 90, 250, -40])
        currency = chance.choice([None, "USD", "EUR"])
        kind = chance.randrange(3)
        if kind == 0:
            result = chance.choice(["converted", "completed", "lost"])
            events.append(outcome(name, result, at=at, conversion_value=value, currency=currency))
        elif kind == 1:
            said, who = chance.choice([["sold"], []]), chance.choice(OFTEN)
            events.append(label(name, "conversion", said, source=who, at=at, value=value, currency=currency))
        else:
            said, who = chance.choice([["price"], []]), chance.choice(OFTEN)
            events.append(label(name, "objection", said, source=who, at=at, number=chance.randrange(2)))
    truths = events[2:]
    for truth in truths:
        if chance.random() < 0.4:
            truth["data"]["supersedes"] = chance.choice(truths)["id"]
    return events


def learn(database, events: Iterable[Event], chance: random.Random) -> dict[str, datetime]:
    """Put the events into the log, learnt on any day after the call; return when, by id."""
    events = list(events)
    append(database, events)
    learnt = {event["id"]: day(4 + chance.randrange(6)) for event in events}
    rows(
        database,
        "UPDATE ml_tracking_events AS e SET created_at = at"
        " FROM unnest(%(ids)s::uuid[], %(moments)s::timestamptz[]) AS learnt(id, at) WHERE e.id = learnt.id",
        ids=[*learnt],
        moments=[*learnt.values()],
    )
    return learnt


def project(database, ids: Sequence[str], chance: random.Random) -> None:
    """Make the facts of these events alone, in this order, in batches of any size."""
    rows(database, "TRUNCATE conversations, turns, outcomes, labels, log_ledger")
    waiting = list(ids)
    while waiting:
        size = chance.randint(1, len(waiting))
        batch, waiting = waiting[:size], waiting[size:]
        rows(database, "INSERT INTO log_ledger (ids) VALUES (%(ids)s::uuid[])", ids=batch)
        ingest_events.run()


def known(database, *moments: datetime | str) -> list[dict[str, Any]]:
    asked = [str(moment) for moment in moments]
    return rows(database, KNOWN, moments=asked, low=CALL, high=day(1))


def about(event: Event) -> tuple[str, str, int | None]:
    data = event["data"]
    return event["conversation_id"], data.get("task", "conversion"), data.get("turn")


def rank(event: Event) -> int:
    return RANKS[event["data"].get("source", "agent")]


def holding(events: Sequence[Event], learnt: dict[str, datetime], moment: datetime) -> dict[Any, str]:
    """Return which event held at a moment per (conversation, task, turn), by the rules as they are written down."""
    so_far = [event for event in events if learnt[event["id"]] <= moment and event["event_type"] != "turn"]

    def supersedes(later: Event, event: Event) -> bool:
        (conversation, task, at_turn), (other, same_task, other_turn) = about(later), about(event)
        is_alike = conversation == other and task == same_task and (at_turn is None) == (other_turn is None)
        return later["data"].get("supersedes") == event["id"] and is_alike and rank(later) <= rank(event)

    in_force = [event for event in so_far if not any(supersedes(later, event) for later in so_far)]
    best: dict[Any, Event] = {}
    for event in sorted(in_force, key=lambda event: (-rank(event), learnt[event["id"]], event["id"])):
        best[about(event)] = event
    return {key: event["id"] for key, event in best.items()}


def held(labels: Iterable[dict[str, Any]]) -> Iterator[tuple[tuple[str, str, int | None], str]]:
    return (((row["conversation_id"], row["task"], row["turn"]), row["event_id"]) for row in labels)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_arrival_changes_neither_facts_nor_what_was_known(database, seed):
    chance = random.Random(seed)
    events = told(chance)
    learnt = learn(database, events, chance)
    in_order = sorted(learnt, key=lambda event: (learnt[event], event))
    moments = sorted(set(learnt.values()))
    project(database, in_order, chance)
    expected = rows(database, FACTS), known(database, *moments)

    for _ in range(3):
        project(database, chance.sample(in_order, len(in_order)), chance)

        assert (rows(database, FACTS), known(database, *moments)) == expected
    for moment, then in zip(moments, expected[1], strict=True):
        assert dict(held(then["labels"])) == holding(events, learnt, moment)
        sold = {row["conversation_id"]: "sold" in row["labels"] for row in then["labels"] if is_of_the_sale(row)}
        assert {row["conversation_id"]: row["is_sold"] for row in then["sales"]} == {
            conversation_id(name): sold.get(conversation_id(name)) for name in NAMES
        }


@pytest.mark.parametrize("seed", range(4, 5))
def test_as_of_a_moment_is_all_that_a_database_of_that_moment_knew(database, seed):
    chance = random.Random(seed)
    events = told(chance)
    learnt = learn(database, events, chance)
    calls = [event["id"] for event in events if event["event_type"] == "turn"]
    moments = sorted(set(learnt.values()))
    project(database, [*learnt], chance)
    now = known(database, *moments)

    for moment, seen_now in zip(moments, now, strict=True):
        project(database, [*dict.fromkeys([*calls, *(event for event, at in learnt.items() if at <= moment)])], chance)

        assert known(database, "infinity") == [seen_now]


def is_of_the_sale(row: dict[str, Any]) -> bool:
    return row["task"] == "conversion" and row["turn"] is None
