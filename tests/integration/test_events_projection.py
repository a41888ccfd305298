"""What the projection makes of the log, whatever the order, the repeats and the garbage."""

import random
from itertools import permutations

import pytest

from ml_pipeline.jobs import ingest_events
from ml_pipeline.settings import load_settings
from tests.integration.events import (
    after,
    append,
    assignment,
    conversation_id,
    error,
    event,
    label,
    outcome,
    prediction,
    rows,
    turn,
)


def sold(database) -> dict[str, bool]:
    found = rows(database, "SELECT client_id, is_sold FROM outcomes JOIN ml_tracking_events ON id = event_id")
    return {row["client_id"]: row["is_sold"] for row in found}


def hours(database, consumer: str) -> set[tuple[str, object]]:
    found = rows(database, "SELECT table_name, hour FROM changed_hours WHERE consumer = %(c)s", c=consumer)
    return {(row["table_name"], row["hour"]) for row in found}


def test_a_conversation_becomes_its_facts(database):
    context = {"language": "es", "program": "PRIME", "platform": "web", "age_band": "30-39", "customer_key": "k1"}
    append(
        database,
        [
            turn("a", 0, "Hello.", role="assistant", conversation=context),
            turn("a", 1, "How much is it?"),
            prediction("a", 1, probabilities={"price": 0.9, "need": 0.2}, feature_revision=1, feature_digest="d"),
            outcome("a", "converted", conversion_value=2700, currency="USD", tier_selected="PRO", satisfaction=4.5),
            label("a", "objection", ["price"], number=1, source="crm"),
            assignment("a", "warm", unit="customer", unit_id="k1", propensity=0.75, policy={"epoch": 3, "n": 9}),
        ],
    )

    counts = ingest_events.run()

    assert counts["events"] == 6
    assert counts["unprojectable"] == 0
    (conversation,) = rows(database, "SELECT * FROM conversations")
    assert conversation["started_at"] == after(0)
    assert conversation["last_event_at"] == after(10)
    assert {key: conversation[key] for key in context} == context
    assert [
        (row["turn"], row["role"], row["content"]) for row in rows(database, "SELECT * FROM turns ORDER BY turn")
    ] == [
        (0, "assistant", "Hello."),
        (1, "user", "How much is it?"),
    ]
    (answer,) = rows(database, "SELECT * FROM predictions")
    assert (answer["task"], answer["mode"], answer["version"]) == ("objection", "anticipate", "caller")
    assert answer["probabilities"] == {"price": 0.9, "need": 0.2}
    assert answer["labels"] == ["price"]
    assert (answer["latency_ms"], answer["feature_revision"], answer["feature_digest"]) == (12.0, 1, "d")
    assert answer["context"] == {"phase": "presentation"}
    (end,) = rows(database, "SELECT * FROM outcomes")
    assert (end["is_sold"], end["value"], end["currency"], end["tier"]) == (True, 2700, "USD", "PRO")
    assert (end["satisfaction"], end["duration_seconds"]) == (4.5, None)
    (truth,) = rows(database, "SELECT * FROM labels")
    assert (truth["turn"], truth["labels"], truth["source"], truth["source_rank"]) == (1, ["price"], "crm", 2)
    (drawn,) = rows(database, "SELECT * FROM assignments")
    assert (drawn["experiment"], drawn["experiment_id"]) == ("greeting", conversation_id("greeting"))
    assert (drawn["arm"], drawn["unit"], drawn["unit_id"], drawn["propensity"]) == ("warm", "customer", "k1", 0.75)
    assert (drawn["reason"], drawn["at"], drawn["policy_epoch"], drawn["policy_n"]) == ("drawn", after(0), 3, 9)


def test_nothing_new_changes_nothing(database):
    append(database, [turn("a", 0), prediction("a", 0)])
    ingest_events.run()
    before = rows(database, "SELECT count(*) FROM changed_hours")

    counts = ingest_events.run()

    assert counts["batches"] == 0
    assert rows(database, "SELECT count(*) FROM changed_hours") == before


def test_a_repeated_prediction_is_one_however_late_it_is_told(database):
    early = prediction("a", 3, probabilities={"price": 0.1}, at=after(30))
    late = prediction("a", 3, probabilities={"price": 0.9}, at=after(30.5))
    other_version = prediction("a", 3, version="objection.anticipate/1", at=after(30))
    append(database, [late, other_version])
    ingest_events.run()
    append(database, [early])

    ingest_events.run()

    found = rows(database, "SELECT version, probabilities, event_id FROM predictions ORDER BY version")
    assert [row["version"] for row in found] == ["caller", "objection.anticipate/1"]
    assert found[0]["event_id"] == early["id"]


@pytest.mark.parametrize("order", [*permutations(("guessed", "true", "own")), ("together",)])
def test_a_replaced_prediction_is_none_whatever_the_order(database, order):
    guessed = prediction("a", 2, probabilities={"price": 0.9}, at=after(8))
    true = prediction("a", 1, probabilities={"price": 0.9}, at=after(9), replaces=guessed["id"])
    own = prediction("a", 2, probabilities={"price": 0.1}, at=after(20))
    elsewhere = prediction("b", 2, probabilities={"price": 0.9}, at=after(8), replaces="no event")
    told = {"guessed": [guessed], "true": [true], "own": [own], "together": [guessed, true, own]}
    append(database, [elsewhere])

    for which in order:
        append(database, told[which])
        ingest_events.run()
    ingest_events.run()

    found = rows(database, "SELECT turn, event_id FROM predictions ORDER BY turn, event_id")
    assert [(row["turn"], row["event_id"]) for row in found] == [
        (1, true["id"]),
        *sorted([(2, own["id"]), (2, elsewhere["id"])], key=lambda row: row[1]),
    ]
    assert rows(database, "SELECT * FROM log_ledger") == []


def test_replacing_reopens_the_hour_of_what_was_replaced(database):
    guessed = prediction("a", 2, at=after(0))
    append(database, [guessed])
    ingest_events.run()
    rows(database, "DELETE FROM changed_hours")
    append(database, [prediction("a", 1, at=after(hours=1), replaces=guessed["id"])])

    ingest_events.run()

    assert {("predictions", after(0)), ("predictions", after(hours=1))} <= hours(database, "rollups")


@pytest.mark.parametrize("order", [*permutations(("first", "second")), ("together",)])
def test_of_an_arm_told_twice_the_earliest_holds(database, order):
    first = assignment("a", "warm", at=after(0))
    second = assignment("a", "plain", at=after(hours=1))
    told = {"first": [first], "second": [second], "together": [second, first]}
    append(database, [assignment("a", "short", "closing"), assignment("b", "plain")])

    for which in order:
        append(database, told[which])
        ingest_events.run()

    found = rows(database, "SELECT experiment, arm, event_id FROM assignments ORDER BY conversation_id = %(a)s, 1, 2",
                 a=conversation_id("a"))  # fmt: skip
    assert [(row["experiment"], row["arm"]) for row in found] == [
        ("greeting", "plain"),
        ("closing", "short"),
        ("greeting", "warm"),
    ]
    assert found[2]["event_id"] == first["id"]


def test_an_earlier_assignment_changes_both_hours(database):
    append(database, [assignment("a", at=after(hours=1))])
    ingest_events.run()
    rows(database, "DELETE FROM changed_hours")
    append(database, [assignment("a", "plain", at=after(0)), assignment("a", "plain", at=after(hours=2))])

    ingest_events.run()

    told = {hour for table, hour in hours(database, "rollups") if table == "assignments"}
    assert told == {after(0), after(hours=1)}


def test_nobody_replaces_a_prediction_of_another_conversation(database):
    held = prediction("a", 2)
    append(database, [held, prediction("b", 2, replaces=held["id"])])

    ingest_events.run()

    assert len(rows(database, "SELECT * FROM predictions")) == 2


def test_a_repeated_turn_is_one(database):
    append(database, [turn("a", 0, "Said once.", at=after(0)), turn("a", 0, "Said again.", at=after(2))])

    ingest_events.run()

    assert [row["content"] for row in rows(database, "SELECT content FROM turns")] == ["Said once."]


@pytest.mark.parametrize("is_together", [True, False])
def test_what_is_told_again_more_than_a_day_later_is_another(database, is_together):
    told = [
        [turn("a", 0, "Monday.", at=after(days=day)), prediction("a", 0, at=after(days=day)), turn("a", 0, at=soon)]
        for day, soon in ((0, after(hours=20)), (3, after(hours=20, days=3)))
    ]

    for part in [told[0] + told[1]] if is_together else told:
        append(database, part)
        ingest_events.run()

    assert [row["at"] for row in rows(database, "SELECT at FROM turns ORDER BY at")] == [after(), after(days=3)]
    assert [row["at"] for row in rows(database, "SELECT at FROM predictions ORDER BY at")] == [after(), after(days=3)]


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_arrival_leaves_no_trace(database, seed):
    shuffled = random.Random(seed)
    events = []
    for name in ("a", "b", "c"):
        for number in range(6):
            language = shuffled.choice(["en", "es"])
            events.append(turn(name, number, f"{name}{number}", conversation={"language": language}))
            events.append(prediction(name, number, conversation={"platform": shuffled.choice(["web", "api"])}))
            events.append(prediction(name, number, at=after(number * 10 + 1), probabilities={"price": 0.2}))
        events += [outcome(name, "converted", at=after(100)), outcome(name, at=after(200), conversion_value=0)]
        events += [label(name, "objection", ["price"], number=1), label(name, "objection", [], number=1, source="crm")]
        events += [assignment(name, arm, at=after(number)) for number, arm in enumerate(("warm", "plain"))]
    append(database, events)
    ingest_events.run()
    tables = ("conversations", "turns", "predictions", "outcomes", "labels", "assignments")
    facts = "SELECT to_jsonb({0}) AS fact FROM {0} ORDER BY fact"
    expected = {table: rows(database, facts.format(table)) for table in tables}
    rows(database, f"TRUNCATE {', '.join(tables)}, changed_hours, log_ledger")
    ids = [line["id"] for line in events]
    shuffled.shuffle(ids)

    for start in range(0, len(ids), 7):
        rows(database, "INSERT INTO log_ledger (ids) VALUES (%(ids)s::uuid[])", ids=ids[start : start + 7])
        ingest_events.run()

    assert {table: rows(database, facts.format(table)) for table in tables} == expected


def test_garbage_is_counted_and_stays_in_the_log_while_the_rest_goes_through(database):
    garbage = [
        turn("a", 1, content=17),  # type: ignore[arg-type]
        event("a", "turn", after(1), {"turn": "first", "role": "user", "content": "x"}),
        event("a", "turn", after(1), ["no", "object"]),
        event("a", "turn", after(1), {"turn": 99999999999, "role": "user", "content": "x"}),
        prediction("a", 1, probabilities={"price": "high"}),
        prediction("a", 2, probabilities={"price": 10**400}),
        prediction("a", 3, mode="guess"),
        prediction("a", 4, labels="price"),
        event("a", "prediction", after(1), {"turn": 1, "task": "needs", "probabilities": [1, 2]}),
        outcome("a", {"what": "ever"}),  # type: ignore[arg-type]
        outcome("a", "completed", conversion_value="a lot"),
        label("a", "objection", ["price"], number="one"),  # type: ignore[arg-type]
        label("a", "objection", [["price"]]),  # type: ignore[list-item]
        label("a", "objection", ["price"], source="somebody"),
        turn("a", 2) | {"conversation_id": None},
        assignment("a", 7),  # type: ignore[arg-type]
        assignment("a", experiment_id="greeting"),
        assignment("a", unit="household"),
        assignment("a", unit_id=None),
        assignment("a", propensity="half"),
        assignment("a", propensity=10**400),
        assignment("a", reason=None),
        assignment("a", policy="newest"),
        assignment("a", policy={"epoch": 1, "n": 10**30}),
    ]
    odd_but_fine = [
        prediction("a", 5, latency_ms="slow", feature_revision=1.5, context="none", conversation="nobody"),
        outcome("a", "completed", satisfaction="great", duration_seconds=10**400, currency=7),
        label("a", "objection", [], value="free", supersedes="that one"),
    ]
    append(database, [*garbage, *odd_but_fine, event("a", "price_shown", after(5), "plain text"), turn("a", 0)])

    counts = ingest_events.run()

    assert counts["unprojectable"] == len(garbage)
    assert (counts["turns"], counts["predictions"], counts["outcomes"], counts["labels"]) == (1, 1, 1, 1)
    assert rows(database, "SELECT latency_ms, feature_revision, context FROM predictions") == [
        {"latency_ms": None, "feature_revision": None, "context": {}}
    ]
    assert rows(database, "SELECT count(*) AS n FROM ml_tracking_events")[0]["n"] == counts["events"]


def test_fallbacks_and_failed_answers_are_no_predictions(database):
    append(
        database,
        [prediction("a", 1, is_fallback=True), prediction("a", 2, error="timeout"), prediction("a", 3, error=None)],
    )

    counts = ingest_events.run()

    assert counts["unprojectable"] == 0
    assert [row["turn"] for row in rows(database, "SELECT turn FROM predictions")] == [3]


def test_an_explicit_value_decides_a_sale_then_the_outcome_then_the_tier(database, monkeypatch):
    monkeypatch.setenv("ML_PIPELINE_SOLD_TIERS", "STARTER,PRO")
    assert load_settings().sold_tiers == ("STARTER", "PRO")
    append(
        database,
        [
            outcome("value", "completed", conversion_value=10),
            outcome("no value", "converted", conversion_value=0),
            outcome("refund", "converted", conversion_value=-10),
            outcome("converted", "converted", conversion_value=None),
            outcome("tier", "completed", tier_selected="PRO"),
            outcome("other tier", "completed", tier_selected="FREE"),
            outcome("qualified", "qualified"),
            outcome("completed", "completed"),
        ],
    )

    ingest_events.run()

    assert {name for name, is_sold in sold(database).items() if is_sold} == {"value", "converted", "tier"}


def test_each_attribute_is_as_the_latest_event_told_it(database):
    append(database, [turn("a", 2, conversation={"language": "es"}), turn("a", 9, conversation={"program": "PRIME"})])
    ingest_events.run()
    append(database, [turn("a", 1, conversation={"language": "en", "platform": "web"})])
    append(database, [turn("a", 5, conversation={"language": None, "program": "LONGEVITY"})])

    ingest_events.run()

    assert rows(database, "SELECT language, program, platform, started_at FROM conversations") == [
        {"language": "es", "program": "PRIME", "platform": "web", "started_at": after(10)}
    ]


def test_an_outcome_alone_makes_no_conversation(database):
    append(database, [outcome("a"), label("a", "objection", []), error("a")])

    ingest_events.run()

    assert rows(database, "SELECT * FROM conversations") == []
    assert len(rows(database, "SELECT * FROM outcomes")) == 1


def test_an_outcome_reopens_the_hours_of_its_predictions_and_of_the_start(database):
    append(
        database, [turn("a", 0, at=after(0)), prediction("a", 1, at=after(hours=1)), turn("a", 2, at=after(hours=2))]
    )
    ingest_events.run()
    rows(database, "DELETE FROM changed_hours")
    rows(database, "UPDATE quality_verdicts SET state = 'trusted'")
    append(database, [outcome("a", "converted", at=after(days=3))])

    ingest_events.run()

    expected = {
        ("outcomes", after(days=3)),
        ("predictions", after(hours=1)),
        ("conversations", after(0)),
    }
    for consumer in ("quality", "rollups", "feedback"):
        assert hours(database, consumer) == expected
    verdicts = rows(database, "SELECT hour, facts_version, state FROM quality_verdicts ORDER BY hour")
    assert [(row["hour"], row["facts_version"], row["state"]) for row in verdicts] == [
        (after(0), 2, "pending"),
        (after(hours=1), 2, "pending"),
        (after(hours=2), 1, "trusted"),
        (after(days=3), 1, "pending"),
    ]


def test_a_late_turn_reopens_predictions_whose_labels_are_known(database):
    append(database, [turn("a", 1), prediction("a", 1, at=after(10)), label("a", "objection", [], number=5)])
    append(database, [turn("b", 1), prediction("b", 1, at=after(10, hours=5))])
    ingest_events.run()
    rows(database, "DELETE FROM changed_hours")
    append(database, [turn("a", 3, at=after(hours=3)), turn("b", 3, at=after(hours=3))])

    ingest_events.run()

    assert hours(database, "rollups") == {
        ("turns", after(hours=3)),
        ("predictions", after(0)),
        ("conversations", after(0)),
    }


def test_a_conversation_that_goes_on_in_its_hour_reopens_no_other(database):
    append(database, [turn("a", 0), turn("b", 0, at=after(hours=1))])
    ingest_events.run()
    rows(database, "DELETE FROM changed_hours")
    append(database, [turn("a", 1, at=after(60))])

    ingest_events.run()

    assert hours(database, "rollups") == {("turns", after())}


@pytest.mark.parametrize("late", [after(hours=1), after(hours=1, seconds=30)], ids=["longer", "no longer"])
def test_a_conversation_that_goes_on_in_another_hour_reopens_the_one_it_started_in(database, late):
    append(database, [turn("a", 0), event("a", "price_shown", after(hours=1, seconds=20), {})])
    ingest_events.run()
    rows(database, "DELETE FROM changed_hours")
    append(database, [turn("a", 1, at=late)])

    ingest_events.run()

    assert hours(database, "rollups") == {("turns", after(hours=1)), ("conversations", after())}


def spread(database) -> None:
    """One conversation: a start, a turn and a prediction in three hours, nothing of it pending."""
    append(database, [turn("a", 0), turn("a", 1, at=after(hours=1)), prediction("a", 1, at=after(hours=2))])
    append(database, [outcome("a", at=after(hours=3)), label("a", "objection", ["price"], at=after(hours=4))])
    ingest_events.run()
    rows(database, "DELETE FROM changed_hours")


@pytest.mark.parametrize(
    "late",
    [
        assignment("a", at=after(hours=6)),
        turn("a", 0, at=after(hours=6), conversation={"language": "es"}),
        turn("a", 9, at=after(hours=6), conversation={"customer_key": "k1"}),
    ],
    ids=["arm", "language", "customer"],
)
def test_what_slices_figures_reopens_every_hour_of_its_conversation(database, late):
    spread(database)
    append(database, [late])

    ingest_events.run()

    assert {("turns", after(hours=1)), ("predictions", after(hours=2)), ("conversations", after())} <= hours(
        database, "rollups"
    )


def test_an_earlier_start_reopens_every_hour_of_its_conversation(database):
    spread(database)
    append(database, [turn("a", 7, at=after(hours=-2))])

    ingest_events.run()

    assert hours(database, "rollups") == {
        ("conversations", after(hours=-2)),
        ("conversations", after()),
        ("turns", after(hours=-2)),
        ("turns", after()),
        ("turns", after(hours=1)),
        ("predictions", after(hours=2)),
    }


def test_superseding_a_label_reopens_its_hour_and_those_of_the_predictions(database):
    append(database, [turn("a", 1), prediction("a", 1, at=after(hours=1))])
    held = label("a", "objection", ["price"], number=1, at=after(hours=5))
    append(database, [held])
    ingest_events.run()
    rows(database, "DELETE FROM changed_hours")
    append(database, [label("a", "objection", [], number=1, at=after(hours=9), supersedes=held["id"])])

    ingest_events.run()

    assert hours(database, "rollups") == {
        ("labels", after(hours=5)),
        ("labels", after(hours=9)),
        ("predictions", after(hours=1)),
        ("conversations", after()),
    }


def test_what_the_agent_tells_of_acts_changes_its_hour_and_nothing_else_of_its_own_does(database):
    append(database, [turn("a", 0)])
    ingest_events.run()
    rows(database, "DELETE FROM changed_hours")
    append(database, [event("a", "price_question", after(30), {}), event("a", "price_shown", after(hours=1), {})])

    ingest_events.run()

    assert hours(database, "rollups") == {("ml_tracking_events", after())}


def test_truth_is_learnt_on_arrival_and_in_a_replay_at_its_own_time(database):
    append(database, [outcome("live"), outcome("replayed") | {"source": "persuasionforgood"}])

    ingest_events.run()

    found = rows(database, "SELECT source, at, learnt_at FROM outcomes ORDER BY source")
    assert found[0]["learnt_at"] > found[0]["at"]
    assert found[1]["learnt_at"] == found[1]["at"] == after(600)


def test_conversations_have_uuids(database):
    append(database, [turn("a", 0)])

    ingest_events.run()

    assert rows(database, "SELECT conversation_id, client_id FROM conversations") == [
        {"conversation_id": conversation_id("a"), "client_id": "a"}
    ]
