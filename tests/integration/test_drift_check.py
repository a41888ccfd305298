"""What the drift job says of windows of real facts."""

import json
import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from ml_pipeline.jobs import check_drift, ingest_events
from tests.integration.events import START, Event, after, append, label, outcome, prediction, rows, turn

CHECKS = "SELECT * FROM drift_checks ORDER BY kind, subject"
CALM = {"words": 8, "platform": "web", "price": 0.2, "probability": 0.3}
CHANGED = {"words": 20, "platform": "mobile", "price": 0.7, "probability": 0.05}
VOCABULARY = [f"word{chr(97 + n)}" for n in range(26)]


def conversation(name: str, at: datetime, random: np.random.Generator, floor: dict[str, Any]) -> list[Event]:
    """One customer turn with an answer to `objection` and its truth."""
    words = random.choice(VOCABULARY, 1 + random.poisson(floor["words"]))
    context = {"platform": floor["platform"] if random.random() < 0.9 else "api", "phase": "closing"}
    probability = round(float(np.clip(random.normal(floor["probability"], 0.1), 0.01, 0.99)), 3)
    is_true = random.random() < floor["price"]
    later = at + timedelta(seconds=20)
    return [
        turn(name, 0, "Hello, how may I help?", role="assistant", at=at, conversation={"language": "en"}),
        turn(name, 1, " ".join(words), at=later),
        prediction(
            name, 1, "objection", probabilities={"price": probability}, mode="detect", context=context, at=later
        ),
        label(name, "objection", ["price"] if is_true else [], number=1, at=at + timedelta(minutes=2)),
        outcome(name, at=at + timedelta(minutes=1)),
    ]


def sales_floor(start: datetime, days: float, conversations: int, floor: dict[str, Any], seed: int = 1) -> list[Event]:
    random = np.random.default_rng(seed)
    events: list[Event] = []
    for n in range(conversations):
        at = start + n * timedelta(days=days) / conversations
        events += conversation(f"{seed}-{start.isoformat()}-{n}", at, random, floor)
    return events


def trusted(database, *events: list[Event]) -> None:
    for batch in events:
        append(database, batch)
    ingest_events.run()
    rows(database, "UPDATE quality_verdicts SET state = 'trusted'")


def reference() -> list[Event]:
    return sales_floor(after(days=-35), 28, 160, CALM, seed=1)


def recent(conversations: int = 120) -> list[Event]:
    """A week that ends close to START."""
    return sales_floor(after(days=-7), 7, conversations, CALM, seed=2)


def changed_week() -> list[Event]:
    return sales_floor(after(days=-7), 7, 120, CHANGED, seed=2)


def findings(database) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["kind"], row["subject"]): row for row in rows(database, CHECKS) if row["has_drifted"]}


def test_an_empty_database_is_not_enough_data(database):
    counts = check_drift.run()

    assert counts == {"checks": 0, "findings": 0, "not_enough_data": 1}


def test_a_week_with_too_few_conversations_is_not_judged(database):
    trusted(database, reference(), recent(conversations=50))

    counts = check_drift.run()

    assert counts == {"checks": 0, "findings": 0, "not_enough_data": 1}
    assert rows(database, CHECKS) == []


def test_a_week_like_those_before_raises_nothing(database):
    trusted(database, reference(), recent())

    counts = check_drift.run()

    assert counts["findings"] == 0
    kinds = [row["kind"] for row in rows(database, CHECKS)]
    assert kinds.count("data") == 13
    assert (kinds.count("label"), kinds.count("prediction")) == (7, 6)
    assert kinds.count("performance") == 1
    assert counts["checks"] == len(kinds)


def test_what_changed_is_found_in_every_kind_and_said_in_words(database):
    trusted(database, reference(), changed_week())

    check_drift.run()

    found = findings(database)
    assert {
        ("data", "current_words"),
        ("data", "platform"),
        ("label", "objection price"),
        ("prediction", "objection.detect price by caller"),
        ("performance", "objection.detect by caller"),
    } <= found.keys()
    assert ("label", "objection trust") not in found
    assert ("data", "agent_words") not in found
    assert found["data", "current_words"]["headline"].startswith("Customers' messages are 1")
    assert found["data", "platform"]["headline"].startswith("platform is ")
    assert found["label", "objection price"]["headline"].startswith("price of objection holds in ")
    assert "got worse" in found["performance", "objection.detect by caller"]["headline"]
    assert all(row["severity"] in ("warning", "critical") and row["p_value"] < 0.025 for row in found.values())


def test_a_check_keeps_what_it_compared(database):
    trusted(database, reference(), changed_week())

    check_drift.run()

    check = findings(database)["label", "objection price"]
    evidence = check["evidence"]
    assert check["window_end"] - check["window_start"] == timedelta(days=7)
    assert check["window_start"] - check["reference_start"] == timedelta(days=28)
    assert evidence["reference_conversations"] >= 150
    assert evidence["recent_conversations"] >= 115
    assert evidence["recent_share"] - evidence["reference_share"] == pytest.approx(check["statistic"])
    assert (evidence["task"], evidence["label"]) == ("objection", "price")


def test_the_mean_of_an_unchanged_answer_is_the_same_however_long_the_conversation(database):
    def answers(start: datetime, turns: int) -> list[Event]:
        at = [start + n * timedelta(hours=1) for n in range(110)]
        return [
            event
            for n in range(110)
            for number in range(1, 2 * turns, 2)
            for event in (
                turn(f"{turns}-{n}", number, at=at[n] + timedelta(seconds=number)),
                prediction(
                    f"{turns}-{n}",
                    number,
                    "conversion",
                    probabilities={"sold": 0.3},
                    at=at[n] + timedelta(seconds=number),
                ),
            )
        ]

    trusted(database, answers(after(days=-20), turns=1), answers(after(days=-6), turns=10))

    check_drift.run()

    (check,) = rows(database, "SELECT * FROM drift_checks WHERE subject = 'conversion.anticipate sold by caller'")
    assert (check["p_value"], check["psi"]) == (1.0, pytest.approx(0, abs=0.001))


def test_running_again_replaces_the_window_s_checks(database):
    trusted(database, reference(), changed_week())
    check_drift.run()
    before = rows(database, CHECKS)

    counts = check_drift.run()

    again = rows(database, CHECKS)
    assert counts["checks"] == len(again)
    for row in before + again:
        del row["checked_at"]
    assert again == before


def test_the_next_window_is_judged_once_it_is_over_and_not_before(database):
    trusted(database, reference(), recent())
    check_drift.run()
    (first,) = rows(database, "SELECT DISTINCT window_end FROM drift_checks")

    trusted(database, sales_floor(START, 5, 120, CALM, seed=3))
    check_drift.run()
    unfinished = rows(database, "SELECT DISTINCT window_end FROM drift_checks")
    trusted(database, sales_floor(after(days=5), 3, 60, CALM, seed=4))
    check_drift.run()

    ends = rows(database, "SELECT DISTINCT window_end FROM drift_checks ORDER BY 1")
    assert unfinished == [first]
    assert ends == [first, {"window_end": first["window_end"] + timedelta(days=7)}]


def test_hours_that_are_not_trusted_are_not_read(database):
    trusted(database, reference(), changed_week())
    rows(database, "UPDATE quality_verdicts SET state = 'held' WHERE hour >= %(start)s", start=after(days=-5))

    counts = check_drift.run()

    assert counts == {"checks": 0, "findings": 0, "not_enough_data": 1}


def test_an_agent_whose_clock_is_a_day_ahead_does_not_move_the_window(database):
    trusted(database, reference(), recent())
    ahead = datetime.now(UTC) + timedelta(days=1)
    trusted(database, [turn("ahead", 1, at=ahead)])

    check_drift.run()

    (window,) = rows(database, "SELECT DISTINCT window_end FROM drift_checks")
    assert window["window_end"] <= START + timedelta(hours=1)


def test_a_version_that_answered_too_little_is_named(database):
    few = [
        prediction(
            "1", 1, "objection", probabilities={"price": 0.4}, mode="detect", version="objection.detect/1", at=at
        )
        for at in (after(days=-1), after(days=-2))
    ]
    trusted(database, reference(), [*recent(), turn("1", 1, at=after(days=-2)), *few])

    counts = check_drift.run()

    named = rows(database, "SELECT * FROM drift_checks WHERE test = 'not_enough_data'")
    assert counts["not_enough_data"] == len(named) == 6
    assert all(row["p_value"] is None and not row["has_drifted"] for row in named)
    assert named[0]["headline"].startswith("Not enough data on objection.detect ")


def test_what_comes_in_is_compared_with_what_the_champion_was_trained_on(database):
    trained = {"trained_from": after(days=-49).isoformat(), "trained_until": after(days=-36).isoformat()}
    trusted(database, sales_floor(after(days=-49), 13, 160, CHANGED, seed=5), reference(), recent())
    promote(database, trained)

    check_drift.run()

    starts = rows(database, "SELECT DISTINCT kind, reference_start FROM drift_checks ORDER BY kind")
    by_kind = {row["kind"]: row["reference_start"] for row in starts}
    assert by_kind["data"] == by_kind["label"] == after(days=-49)
    assert by_kind["prediction"] == by_kind["performance"] > after(days=-36)
    assert {kind for kind, _ in findings(database)} == {"data", "label"}


def promote(database, evidence: dict[str, str]) -> None:
    decision = str(uuid.uuid4())
    rows(
        database,
        "INSERT INTO decisions (decision, kind, task, mode, version, verdict, reason, evidence, actor)"
        " VALUES (%(decision)s, 'promotion', 'objection', 'detect', 'objection.detect/1', 'PROMOTE', 'first',"
        " %(evidence)s, 'test')",
        decision=decision,
        evidence=json.dumps(evidence),
    )
    rows(
        database,
        "INSERT INTO model_rollouts (task, mode, version, state, decision)"
        " VALUES ('objection', 'detect', 'objection.detect/1', 'champion', %(decision)s)",
        decision=decision,
    )


def test_two_runs_at_once_leave_one_set_of_checks(database):
    trusted(database, reference(), recent())
    results: list[dict[str, int]] = []
    runs = [threading.Thread(target=lambda: results.append(check_drift.run())) for _ in range(2)]

    for run in runs:
        run.start()
    for run in runs:
        run.join()

    assert results[0] == results[1]
    assert len(rows(database, CHECKS)) == results[0]["checks"] + results[0]["not_enough_data"]
