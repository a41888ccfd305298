"""Training sets as the log gives them: what was not known at the cut-off reaches no row, a set can be made again."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pandas as pd
import pytest

from benchmarks.champions import crown
from ml_pipeline.database.engine import transaction
from ml_pipeline.errors import TrainingError
from ml_pipeline.jobs import ingest_events
from ml_pipeline.models import collecting, store
from ml_pipeline.models.opponents import caller
from ml_pipeline.models.specification import Specification, Terms, Window
from ml_pipeline.models.training_set import TrainingSet, thaw
from ml_pipeline.online.predicting.features import REVISION
from ml_pipeline.settings import load_settings
from ml_pipeline.vocabulary.interval import Interval
from ml_pipeline.vocabulary.tasks import CONVERSION, NEEDS, OBJECTION, Task
from tests.conftest import Database, run_as_owner
from tests.integration.events import (
    Event,
    after,
    append,
    assignment,
    conversation_id,
    event,
    label,
    outcome,
    prediction,
    trust_all,
    turn,
)

CALLS = 24
HOURS_APART = 6
CUT_OFF, KNOWN_UNTIL = after(days=4), after(days=7)
TERMS = Terms(Window(1.0, is_from_start=False), 0.25, 1, False, "no", 10.0)


def replayed(events: Iterable[Event]) -> list[Event]:
    """Let each thing have been learnt when it happened."""
    return [{**one, "source": "floor"} for one in events]


def learn(database: Database, events: Iterable[Event]) -> None:
    append(database, replayed(events))
    ingest_events.run()
    trust_all(database)


def call(number: int, customer: str | None = None) -> list[Event]:
    """Return three exchanges and what was said of them within the hour; every third one is sold."""
    name, start = f"call {number}", number * HOURS_APART * 3_600.0
    known = {"language": ("en", "es")[number % 2], "program": "PRIME"} | (
        {"customer_key": customer} if customer else {}
    )
    events = [outcome(name, "converted" if number % 3 == 0 else "completed", at=after(start + 100))]
    for place in range(6):
        at, role = after(start + place * 10), ("assistant", "user")[place % 2]
        events.append(turn(name, place, f"word {place} of {number}", role=role, at=at, conversation=known))
        if role == "user":
            context = {"phase": ("greeting", "closing")[place == 5], "language": known["language"]}
            events.append(prediction(name, place, context=context, at=at))
            for task, labels in (("objection", ["price"]), ("needs", ["roi"])):
                held = labels if (number + place) % 4 == 0 else []
                events.append(label(name, task, held, number=place, at=after(start + 3_000)))
    return events


def specification(task: Task, **changes: Any) -> Specification:
    terms = replace(TERMS, window=Window(1.0, is_from_start=task.scope == "conversation"))
    readable = Interval(after(days=-2), KNOWN_UNTIL)
    started = Interval(after(days=-1), after(hours=CALLS * HOURS_APART))
    made = Specification(task, started, CUT_OFF, KNOWN_UNTIL, (readable,), terms, REVISION, "a revision")
    return replace(made, **changes)


def read(asked: Specification) -> TrainingSet:
    with transaction() as tx:
        return collecting.read(tx, asked)


def table(rows: TrainingSet, *parts: str) -> pd.DataFrame:
    """Return all that a model sees of these parts, and what it is told to be true."""
    chosen = rows.part(*parts) if parts else rows
    labels = pd.DataFrame(chosen.truth, columns=[f"is {name}" for name in rows.task.labels])
    return pd.concat([chosen.rows, labels], axis=1)


def future(since: datetime, number: int) -> list[Event]:
    """Return everything that may become known of a call after ``since``, each piece saying otherwise than before."""
    name, later = f"call {number}", since.timestamp() - after().timestamp() + number + 1
    known = {"language": "fr", "program": "LONGEVITY", "platform": "api"}
    is_sold = number % 3 == 0
    corrections = [
        label(name, task, ["price", "trust"], number=place, at=after(later + 60))
        for task in ("objection", "needs")
        for place in (1, 3, 5)
    ]
    return [
        turn(name, 6, "LATER words", role="assistant", at=after(later), conversation=known),
        turn(name, 7, "LATER answer", at=after(later + 10), conversation=known),
        prediction(name, 7, context={"phase": "LATER"}, at=after(later + 10)),
        prediction(name, 3, version="other/1", context={"phase": "LATER"}, feature_revision=REVISION,
                   feature_digest="0" * 16, at=after(later + 20)),
        event(name, "phase_changed", after(later + 30), {"phase": "LATER", "conversation": known}),
        outcome(name, "converted", at=after(later + 40), conversion_value=0 if is_sold else 900, satisfaction=1.0,
                message_count=99),
        label(name, "conversion", [] if is_sold else ["sold"], source="crm", at=after(later + 50)),
        label(name, "objection", ["trust"], number=7, at=after(later + 60)),
        label(name, "needs", ["support"], number=7, at=after(later + 60)),
        assignment(name, "LATER", at=after(later + 60)),
        *corrections,
    ]  # fmt: skip


@pytest.mark.parametrize("task", [OBJECTION, NEEDS, CONVERSION], ids=lambda task: task.name)
def test_nothing_learnt_after_the_cut_off_reaches_a_row_that_teaches(database, task):
    learn(database, [one for number in range(CALLS) for one in call(number)])
    before = table(read(specification(task)), "train", "calibration")

    learn(database, [one for number in range(16) for one in future(CUT_OFF, number)])

    assert len(before) > 20
    pd.testing.assert_frame_equal(table(read(specification(task)), "train", "calibration"), before)


def test_what_a_later_prediction_of_a_turn_saw_is_not_what_the_turn_knew(database):
    learn(database, call(0))
    before = read(specification(NEEDS)).rows
    late: Any = {"version": "other/1", "context": {"phase": "LATER"}, "at": after(hours=1)}

    features: Any = {"feature_revision": REVISION, "feature_digest": "0" * 16}
    learn(database, [prediction("call 0", 3, **late, **features), prediction("call 0", 5, **late)])
    rows = read(specification(NEEDS))

    assert rows.rows["feature_digest"].tolist() == before["feature_digest"].drop(1).tolist()
    assert rows.left_out == {"its features differ from those stored with its prediction": 1}


@pytest.mark.parametrize("task", [OBJECTION, NEEDS, CONVERSION], ids=lambda task: task.name)
def test_a_set_made_again_after_all_that_came_later_is_the_same(database, task):
    learn(database, [one for number in range(CALLS) for one in call(number, f"customer {number % 9}")])
    before = read(specification(task))

    learn(database, [one for number in range(CALLS) for one in future(KNOWN_UNTIL, number)])
    learn(database, [one for number in range(CALLS, CALLS + 6) for one in call(number, f"customer {number % 9}")])
    run_as_owner(database.owner_dsn, "UPDATE quality_verdicts SET state = 'held'")
    again = read(specification(task))

    assert again.digest == before.digest
    pd.testing.assert_frame_equal(table(again), table(before))
    assert set(before.rows["part"]) == {"train", "calibration", "gate"}


def test_what_arrives_late_from_a_live_agent_was_not_known_and_changes_nothing(database):
    learn(database, [one for number in range(CALLS) for one in call(number)])
    before = read(specification(NEEDS))

    append(database, [one for number in range(100, 104) for one in moved(call(number), -100 * HOURS_APART)])
    append(database, [label("call 2", "needs", ["support"], number=1, at=after(hours=13))])
    ingest_events.run()
    trust_all(database)

    assert read(specification(NEEDS)).digest == before.digest


def moved(events: Iterable[Event], hours: float) -> list[Event]:
    shifted = []
    for one in events:
        at = datetime.fromisoformat(one["timestamp"])
        later = after(at.timestamp() - after().timestamp() + hours * 3_600)
        shifted.append({**event("", one["event_type"], later, one["data"]), "conversation_id": one["conversation_id"]})
    return shifted


def test_only_conversations_closed_by_the_cut_off_teach_and_only_those_from_it_on_judge(database):
    learn(database, [one for number in range(CALLS + 6) for one in call(number)])

    rows = read(specification(CONVERSION, started=Interval(after(days=-1), after(days=9)))).rows

    starts = {part: rows[rows["part"] == part]["started_at"] for part in ("train", "calibration", "gate")}
    assert starts["train"].max() < starts["calibration"].min()
    assert starts["calibration"].max() <= CUT_OFF - pd.Timedelta(days=1)
    assert starts["gate"].min() >= CUT_OFF
    assert starts["gate"].max() <= KNOWN_UNTIL - pd.Timedelta(days=1)
    assert rows.groupby("conversation_id")["part"].nunique().max() == 1


def test_a_conversation_that_goes_on_keeps_its_window_open(database):
    goes_on = [turn("call 11", 6, "Once more.", role="assistant", at=CUT_OFF - pd.Timedelta(hours=20))]
    learn(database, [one for number in range(CALLS) for one in call(number)] + goes_on)

    rows = read(specification(NEEDS))

    assert conversation_id("call 11") not in rows.conversation_ids
    assert conversation_id("call 10") in rows.conversation_ids


def test_what_taught_the_champion_does_not_judge(database):
    learn(database, [one for number in range(CALLS) for one in call(number)])
    settings = load_settings()
    with transaction() as tx:
        alone = collecting.specify(tx, NEEDS, collecting.terms_of(NEEDS, settings))
        later = alone.cut_off + pd.Timedelta(hours=7)
        crown(tx, NEEDS, "needs.detect/1", ("digest", b"bundle"), trained_until=later.isoformat())

        beside = collecting.specify(tx, NEEDS, collecting.terms_of(NEEDS, settings))

    assert beside.cut_off == later
    assert (read(beside).part("gate").rows["started_at"] >= later).all()


def test_what_was_chosen_by_what_is_known_now_is_written_down(database, monkeypatch):
    monkeypatch.setenv("ML_PIPELINE_GATE_MIN_POSITIVES", "1")
    learn(database, [one for number in range(CALLS) for one in call(number)])

    with transaction() as tx:
        rows = collecting.collect(tx, NEEDS, load_settings())

    asked = rows.specification
    assert asked is not None
    assert asked.terms.window == Window(2.0, is_from_start=False)
    assert asked.started == Interval(after(), after(hours=(CALLS - 1) * HOURS_APART) + pd.Timedelta(microseconds=1))
    assert len(rows.part("gate").conversation_ids) / len(rows.conversation_ids) == pytest.approx(0.25, abs=0.04)
    assert read(asked).digest == rows.digest


def test_hours_that_could_not_be_read_teach_nothing_though_they_are_released_later(database):
    learn(database, [one for number in range(CALLS) for one in call(number)])
    hole = (Interval(after(days=-2), after(hours=6)), Interval(after(hours=7), after(days=20)))

    rows = read(specification(NEEDS, trusted=hole))

    assert conversation_id("call 1") not in rows.conversation_ids
    assert rows.left_out == {"the hour its truth came from is not trusted": 3}


def test_an_erased_customer_teaches_nothing_and_stops_a_training_under_way(database):
    learn(database, [one for number in range(CALLS) for one in call(number, f"customer {number % 9}")])
    rows = read(specification(NEEDS))
    erased = "(SELECT conversation_id FROM conversations WHERE customer_key = 'customer 3')"
    tables = ("turns", "predictions", "labels", "outcomes", "assignments", "conversations")
    erasures = [f"DELETE FROM {name} WHERE conversation_id IN {erased}" for name in tables]  # noqa: S608 - our own names
    run_as_owner(database.owner_dsn, *erasures)

    with (
        transaction() as tx,
        pytest.raises(TrainingError, match=r"frozen rows of needs no longer read the same .* erased"),
    ):
        thaw(NEEDS, rows.frozen(), store.conversations(tx, rows.conversation_ids))

    assert "customer 3" not in set(read(specification(NEEDS)).rows["customer_group"])


def test_failures_and_fallbacks_give_a_row_no_context_and_the_caller_no_answer(database):
    name = "call 0"
    failures = [
        prediction(name, 0, "conversion", is_fallback=True, context={"phase": "FALLBACK"}, at=after(-1)),
        prediction(name, 1, "conversion", error="timeout", context={"phase": "ERROR"}, at=after(9)),
    ]
    learn(database, failures + call(0))

    rows = read(specification(CONVERSION, cut_off=after(days=-1)))
    with transaction() as tx:
        answers = caller(tx, rows)

    assert rows.rows["phase"].tolist() == ["greeting", "greeting", "closing"]
    assert pd.isna(answers.probabilities).all()


def test_a_customer_known_at_the_cut_off_is_marked_where_he_judges(database):
    seen, new = call(20, "seen"), call(21, "new")
    learn(database, [*call(15, "seen"), *call(19, "new"), *seen, *new])
    # Of the second one something was known only after the cut-off, though it began before.
    rows = read(specification(NEEDS, cut_off=after(hours=19 * HOURS_APART, seconds=60))).part("gate").rows

    marked = dict(zip(rows["conversation_id"], rows["is_seen_before"], strict=True))
    assert marked == {conversation_id("call 20"): True, conversation_id("call 21"): False}


def test_rows_carry_how_likely_their_version_and_arms_were_and_can_stand_for_the_others(database):
    drawn = [
        assignment("call 0", "needs.detect/2", "rollout needs.detect", propensity=0.05, at=after()),
        assignment("call 0", "warm", "greeting", propensity=0.5, at=after()),
        assignment("call 1", "needs.detect/1", "rollout needs.detect", propensity=0.95, at=after(hours=6)),
        assignment("call 1", "other", "rollout objection.anticipate", propensity=0.25, at=after(hours=6)),
    ]
    learn(database, [*drawn, *call(0), *call(1), *call(2)])
    weights = {}
    for weighting in ("no", "rollouts", "all"):
        asked = specification(NEEDS)
        rows = read(replace(asked, terms=replace(asked.terms, weighting=weighting))).rows.drop_duplicates(
            "conversation_id"
        )
        weights[weighting] = rows["weight"].tolist()

    assert rows["propensity"].tolist() == [0.05, 0.95, 1.0]
    assert rows["arm_propensity"].tolist() == [0.5, 0.25, 1.0]
    assert rows["arms"].tolist() == [
        "greeting=warm; rollout needs.detect=needs.detect/2",
        "rollout needs.detect=needs.detect/1; rollout objection.anticipate=other",
        "",
    ]
    assert weights["no"] == [1.0, 1.0, 1.0]
    assert weights["rollouts"] == pytest.approx([10.0, 1 / 0.95, 1.0])
    assert weights["all"] == pytest.approx([10.0, 4 / 0.95, 1.0])
