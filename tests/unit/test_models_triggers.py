"""From what is known of a task to whether it is retrained: triggers, limits, and what would not help."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from ml_pipeline.models.triggers.decision import Decision, Limits, TriggerVerdict, decide
from ml_pipeline.models.triggers.kinds.schedule import Schedule
from ml_pipeline.models.triggers.measuring import measured
from ml_pipeline.models.triggers.recalibration import calibration_slope
from ml_pipeline.models.triggers.standing import (
    Change,
    CurvePoint,
    Drift,
    Judged,
    Measured,
    Serving,
    Standing,
    Waiting,
)
from ml_pipeline.models.triggers.triggerbook import read_triggers, shipped_documents
from ml_pipeline.vocabulary.estimate import Estimate
from ml_pipeline.vocabulary.tasks import CONVERSION, NEEDS, OBJECTION

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday
LIMITS = Limits(per_week=3, gates=26, gates_within=timedelta(days=182))
SHIPPED = {document["name"] for document in shipped_documents()}


def ago(days: float = 0, hours: float = 0) -> datetime:
    return NOW - timedelta(days=days, hours=hours)


def figure(value: float, reach: float = 0.01) -> Estimate:
    return Estimate(value, value - reach, value + reach)


GATE = {"macro_ap": figure(0.6), "log_loss": figure(0.3), "ece": figure(0.02)}
SERVING = Serving("needs.detect/3", ago(30), ago(32), GATE)
JUDGED = Judged(ago(2), "HOLD", 1_000, ago(2))
FLAT = (CurvePoint(250, 0.58, 0.56, 0.60), CurvePoint(500, 0.60, 0.58, 0.62), CurvePoint(1_000, 0.60, 0.58, 0.62))
CALM = Standing(NEEDS, NOW, ago(60), SERVING, JUDGED, (ago(2),), Measured(500, GATE | {"slope": figure(1.0, 0.05)}))
"""A task that was retrained on Monday, and whose champion does what its gate said."""


def judged(standing: Standing, limits: Limits = LIMITS, **own: Any) -> Decision:
    """Return what the shipped triggers come to."""
    return decide(read_triggers([own] if own else []).judge(standing), standing, limits)


def measures(**figures: Estimate) -> Measured:
    assert CALM.measured is not None
    return Measured(500, {**CALM.measured.figures, **figures})


OLD = replace(CALM, judged=replace(JUDGED, at=ago(8)), retrained=(ago(8),))
"""The same, last retrained a week ago but one day."""
FIRING = {
    "weekly": OLD,
    "asked_by_agent": replace(CALM, waiting=(Waiting("r1", "agent", "agent", "it fails", ago(0.1), False),)),
    "new_labels": replace(CALM, new_labels=500),
    "champion_old": replace(CALM, champion=replace(SERVING, learnt_until=ago(46)), judged=None, retrained=()),
    "worse_than_at_gate": replace(OLD, measured=measures(macro_ap=figure(0.5))),
    "log_loss_grown": replace(OLD, measured=measures(log_loss=figure(0.4))),
    "level_changed": replace(OLD, changes=(Change("brier", ago(5), ago(3), 0.1, 0.12),)),
    "calibration_off": replace(OLD, measured=measures(slope=figure(0.5, 0.05))),
    "costly_drift": replace(
        OLD, drifts=(Drift("label", "needs roi", "warning", ago(3), "roi holds in 20 %.", 0.04, "estimated"),)
    ),
}


def test_every_shipped_trigger_has_a_case_that_fires_it():
    assert set(FIRING) == SHIPPED


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_trigger_fires_asks_and_says_why(name):
    others = [{"name": other, "disabled": True} for other in SHIPPED - {name}]
    standing = replace(FIRING[name], now=NOW if name != "asked_by_agent" else NOW + timedelta(days=1))

    decided = decide(read_triggers(others).judge(standing), standing, LIMITS)

    assert decided.verdict == TriggerVerdict.ASK
    assert decided.reason.startswith(f"{name}: ")


def test_where_all_is_well_nothing_asks():
    decided = judged(CALM)

    assert decided == Decision(TriggerVerdict.QUIET, "nothing asks for it")


def test_a_champion_nobody_can_measure_yet_is_told_apart_from_one_that_does_well():
    decided = judged(replace(CALM, measured=None))

    assert decided.verdict == TriggerVerdict.QUIET
    assert decided.reason.endswith("cannot tell yet: worse_than_at_gate, log_loss_grown, calibration_off")


def test_without_any_champion_the_schedule_and_new_labels_ask():
    bare = Standing(NEEDS, NOW, ago(9), new_labels=200)

    decided = judged(bare)

    assert decided.verdict == TriggerVerdict.ASK
    assert "weekly: " in decided.reason
    assert "new_labels: 200 labelled conversations" in decided.reason


def test_a_task_nobody_had_looked_at_by_its_weekly_hour_has_missed_nothing():
    assert judged(Standing(NEEDS, NOW, ago(hours=1))).verdict == TriggerVerdict.QUIET


def test_more_labels_than_before_are_wanted_the_more_there_were():
    few = replace(CALM, new_labels=499, now=NOW)
    after_large_gate = replace(few, new_labels=1_999, judged=replace(JUDGED, conversations=4_000))

    assert [judged(each).verdict for each in (few, after_large_gate)] == [TriggerVerdict.QUIET] * 2
    assert judged(replace(after_large_gate, new_labels=2_000)).verdict == TriggerVerdict.ASK


def test_a_drop_within_what_the_intervals_allow_is_none():
    wide = replace(OLD, measured=measures(macro_ap=figure(0.5, reach=0.08), slope=figure(0.5, reach=0.4)))

    assert "worse_than_at_gate" not in judged(wide).reason
    assert "calibration_off" not in judged(wide).reason


@pytest.mark.parametrize(("now", "fires"), [(0.585, False), (0.575, True)])
def test_a_sure_but_small_drop_is_below_the_floor(now, fires):
    exact = replace(SERVING, figures=GATE | {"macro_ap": figure(0.6, 0.001)})

    decided = judged(replace(OLD, champion=exact, measured=measures(macro_ap=figure(now, 0.001))))

    assert ("worse_than_at_gate" in decided.reason) == fires


def test_a_change_for_the_better_asks_for_nothing():
    better = replace(OLD, changes=(Change("brier", ago(5), ago(3), 0.12, 0.1),))

    assert "level_changed" not in judged(better).reason


def test_drift_that_costs_little_or_nobody_knows_what_asks_for_nothing():
    drifts = tuple(Drift("data", "turn", "critical", ago(1), "Longer.", impact, "…") for impact in (0.001, None))

    assert "costly_drift" not in judged(replace(OLD, drifts=drifts)).reason


@pytest.mark.parametrize("waiting", [("t", "trigger"), ("p", "person")])
def test_what_was_asked_for_already_is_not_asked_for_again(waiting):
    request = Waiting(waiting[0], waiting[1], "ana", "drift", ago(hours=2), is_accepted=True)

    decided = judged(replace(OLD, waiting=(request,)))

    assert decided == Decision(TriggerVerdict.WAITING, "ana asked at 2026-03-04 10:00 UTC: drift")


def test_an_accepted_request_fires_nothing_by_itself():
    accepted = Waiting("p", "person", "ana", "drift", ago(hours=2), is_accepted=True)

    assert judged(replace(CALM, waiting=(accepted,))).verdict == TriggerVerdict.QUIET


def test_after_a_gate_a_trigger_cools_down():
    hot = replace(FIRING["new_labels"], judged=replace(JUDGED, at=ago(hours=3)))

    decided = judged(hot)

    assert decided.verdict == TriggerVerdict.COOLING_DOWN
    assert decided.reason.startswith("until 2026-03-05 09:00 UTC: new_labels")


def test_each_trigger_cools_down_by_itself():
    both = replace(CALM, new_labels=500, measured=measures(macro_ap=figure(0.5)))

    decided = judged(both)

    assert decided.verdict == TriggerVerdict.ASK
    assert "worse_than_at_gate" not in decided.reason


def test_what_was_known_before_the_last_gate_is_answered_by_it():
    known = replace(OLD, changes=(Change("brier", ago(20), ago(12), 0.1, 0.12),))

    decided = judged(known, name="weekly", disabled=True)

    assert decided.verdict == TriggerVerdict.ANSWERED
    assert decided.reason.startswith("known before the gate of 2026-02-24 12:00 UTC: level_changed")


@pytest.mark.parametrize("name", ["weekly", "new_labels"])
def test_more_of_the_same_data_does_not_help_where_the_learning_curve_is_flat(name):
    standing = FIRING[name]
    assert standing.judged is not None
    flat = replace(standing, judged=replace(standing.judged, curve=FLAT))

    decided = judged(flat)

    assert decided.verdict == TriggerVerdict.WOULD_NOT_HELP
    assert "0.600 [0.580, 0.620] after 1,000 conversations" in decided.reason
    assert "What would help: something new to see" in decided.reason


@pytest.mark.parametrize("name", ["worse_than_at_gate", "level_changed", "costly_drift", "calibration_off"])
def test_where_something_changed_a_flat_curve_stops_nobody(name):
    standing = FIRING[name]
    assert standing.judged is not None

    assert judged(replace(standing, judged=replace(standing.judged, curve=FLAT))).verdict == TriggerVerdict.ASK


@pytest.mark.parametrize(
    "curve",
    [
        (CurvePoint(500, 0.50, 0.48, 0.52), CurvePoint(1_000, 0.60, 0.58, 0.62)),
        (CurvePoint(500, 0.55, 0.35, 0.75), CurvePoint(1_000, 0.60, 0.45, 0.75)),
        (CurvePoint(800, 0.60, 0.58, 0.62), CurvePoint(1_000, 0.60, 0.58, 0.62)),
        FLAT[:1],
    ],
    ids=["rising", "unsure", "not doubled", "one point"],
)
def test_a_curve_that_rises_or_cannot_say_holds_nothing_up(curve):
    standing = replace(FIRING["new_labels"], judged=replace(JUDGED, curve=curve))

    assert judged(standing).verdict == TriggerVerdict.ASK


def test_no_more_gates_a_week_than_the_settings_allow():
    spent = replace(FIRING["new_labels"], retrained=(ago(2), ago(3), ago(6)))

    decided = judged(spent)

    assert decided.verdict == TriggerVerdict.OVER_BUDGET
    assert decided.reason.startswith("3 gates of 3 in 7 days; the next may be at 2026-03-05 12:00 UTC: new_labels")
    assert judged(spent, replace(LIMITS, per_week=0)).reason.startswith("3 gates of 0 in 7 days")


def test_no_more_gates_than_the_error_budget_was_made_for():
    spent = replace(FIRING["new_labels"], retrained=tuple(ago(days) for days in range(2, 182, 7)))

    decided = judged(spent)

    assert decided.verdict == TriggerVerdict.OVER_BUDGET
    assert decided.reason.startswith("26 gates of 26 in 182 days, the gate's error budget")


def test_the_most_urgent_trigger_gives_its_priority():
    assert judged(FIRING["worse_than_at_gate"]).priority == "high"
    assert judged(FIRING["weekly"]).priority == "normal"


def test_an_operators_trigger_replaces_the_fields_it_gives_and_a_broken_one_stops_no_other():
    book = read_triggers(
        [
            {"name": "weekly", "weekday": "friday"},
            {"name": "new_labels", "disabled": True},
            {"name": "mine", "kind": "age", "description": "Old.", "max_days": 3, "tasks": ["objection"]},
            {"name": "broken", "kind": "performance", "description": "?", "metric": "beauty", "min_drop": 0.1},
            {"name": "costly_drift", "min_impact": float("nan")},
        ]
    )

    weekly = book.triggers["weekly"]
    assert isinstance(weekly, Schedule)
    assert (weekly.weekday, weekly.hour) == ("friday", 3)
    assert "new_labels" not in book.triggers
    assert set(book.unreadable) == {"broken", "costly_drift"}
    assert "the gate has no such figure; one of primary, macro_ap" in book.unreadable["broken"]
    about = {trigger.name for trigger, _ in book.judge(replace(CALM, task=OBJECTION))}
    assert about - {trigger.name for trigger, _ in book.judge(CALM)} == {"mine"}


def answered(conversations: int, seed: int, sharpness: float = 1.0) -> list[dict[str, Any]]:
    """Return answers to NEEDS that are right where ``sharpness`` is 1, three turns a conversation."""
    chance = np.random.default_rng(seed)
    rows = []
    for number in range(conversations):
        lean = chance.normal(0, 0.5)
        for turn in range(3):
            for label in NEEDS.labels:
                logit = -1.5 + lean + chance.normal(0, 1)
                rows.append(
                    {
                        "conversation_id": str(number),
                        "turn": turn,
                        "label": label,
                        "probability": 1 / (1 + np.exp(-sharpness * logit)),
                        "is_true": chance.random() < 1 / (1 + np.exp(-logit)),
                    }
                )
    return rows


def test_a_champion_that_is_as_good_as_its_gate_said_sets_off_no_trigger_at_chance():
    fired = 0
    for seed in range(40):
        then, now = (measured(NEEDS, answered(150, 2 * seed + half)) for half in (0, 1))
        assert then is not None
        standing = replace(OLD, champion=replace(SERVING, figures=then.figures), measured=now)
        said = read_triggers([{"name": "calibration_off", "min_conversations": 100}]).judge(standing)
        fired += sum(finding.state == "fired" for trigger, finding in said if trigger.name != "weekly")

    assert fired == 0


def test_probabilities_that_became_too_bold_set_off_the_calibration_trigger():
    then, now = measured(NEEDS, answered(300, 1)), measured(NEEDS, answered(300, 2, sharpness=2.0))
    assert then is not None

    decided = judged(replace(OLD, champion=replace(SERVING, figures=then.figures), measured=now))

    assert "calibration_off: " in decided.reason


def test_where_one_truth_holds_for_a_conversation_it_counts_once_however_long_it_talked():
    def said(number: int, turns: int, probability: float) -> list[dict[str, Any]]:
        row = {"label": "sold", "probability": probability, "is_true": number % 2 == 0}
        return [row | {"conversation_id": str(number), "turn": turn} for turn in range(turns)]

    short = measured(CONVERSION, [row for number in range(20) for row in said(number, 1, 0.5 + number / 100)])
    long = measured(CONVERSION, [row for number in range(20) for row in said(number, 1 + number, 0.5 + number / 100)])

    assert short is not None
    assert long is not None
    assert long.figures["log_loss"].value == pytest.approx(short.figures["log_loss"].value)


def test_of_one_class_only_there_is_no_slope_and_nothing_fails():
    rows = [row | {"is_true": False} for row in answered(20, 3)]

    found = measured(NEEDS, rows)

    assert found == Measured(20, {})
    assert measured(NEEDS, []) is None


def test_a_slope_is_one_where_odds_are_right_and_a_half_where_they_are_twice_as_sure():
    generator = np.random.default_rng(0)
    odds = generator.normal(size=40_000)
    truth = generator.random(len(odds)) < 1 / (1 + np.exp(-odds))

    right, sure = (
        calibration_slope(1 / (1 + np.exp(-told)), truth, np.ones(len(odds)), np.arange(len(odds)))
        for told in (odds, 2 * odds)
    )

    assert right is not None
    assert right.low < 1 < right.high
    assert sure is not None
    assert sure.value == pytest.approx(right.value / 2)
