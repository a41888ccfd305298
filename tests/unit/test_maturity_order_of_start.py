"""Each conversation once, at one age, in order of start: a rate that traffic cannot move."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from ml_pipeline.metrics.maturity.order_of_start import Observation, Stream, Told, advance

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
AGE = 30 * DAY
CHANGE = 60
"""Day on which traffic changes."""
WATCHED = 20
"""Days after the change over which arrivals are watched."""
STREAM = Stream(AGE)


def told(name: str, day: float, outcome: bool | None = None, learnt: float | None = None) -> Told:
    return Told(name, START + day * DAY, outcome, None if learnt is None else START + learnt * DAY)


def floor(traffic: float, calls_a_day: int = 200) -> list[Told]:
    """Return the calls of 120 days: every tenth is sold, learnt after six days on average; no sale, at 30."""
    rng = random.Random(11)
    calls = []
    for day in range(120):
        for number in range(round(calls_a_day * (traffic if day >= CHANGE else 1))):
            start = day + rng.random()
            delay = rng.expovariate(1 / 6)
            is_sold = number % 10 == 0 and delay < 30
            calls.append(told(f"{day}-{number}", start, is_sold, start + (delay if is_sold else 30)))
    return calls


def rate_of_arrivals(calls: list[Told]) -> float:
    """Return the rate of the outcomes that arrive in the days after the change: the naive stream."""
    low, high = START + CHANGE * DAY, START + (CHANGE + WATCHED) * DAY
    arrived = [call.outcome for call in calls if call.learnt_at and low <= call.learnt_at < high]
    return sum(map(bool, arrived)) / len(arrived)


def rate_in_order_of_start(calls: list[Told]) -> float:
    """Return the rate of what the stream observes in the days after the first changed call came of age."""
    before = advance(STREAM, calls, START + CHANGE * DAY + AGE)
    after = advance(before.stream, calls, START + (CHANGE + WATCHED) * DAY + AGE)
    return sum(each.outcome is True for each in after.observations) / len(after.observations)


@pytest.mark.parametrize(("traffic", "naive"), [(0.5, 0.073), (1, 0.10), (2, 0.161)])
def test_traffic_moves_the_rate_in_order_of_arrival_and_not_in_order_of_start(traffic, naive):
    calls = floor(traffic)

    assert rate_of_arrivals(calls) == pytest.approx(naive, abs=0.008)
    assert rate_in_order_of_start(calls) == pytest.approx(0.10, abs=0.008)


def test_whatever_its_outcome_each_is_observed_once_at_its_age_and_in_order():
    calls = [told("c", 2, True, 3), told("a", 0, False, 1), told("b", 1)]

    first = advance(STREAM, calls, START + 31 * DAY)
    second = advance(first.stream, calls, START + 32 * DAY)

    assert [(each.conversation_id, each.outcome) for each in first.observations] == [("a", False), ("b", None)]
    assert first.waiting == 1
    assert [(each.conversation_id, each.outcome) for each in second.observations] == [("c", True)]
    assert second.waiting == 0


def test_the_stream_is_the_same_however_often_one_looks():
    calls = floor(2, calls_a_day=10)
    stream = STREAM
    observed: list[Observation] = []
    for day in range(0, 160, 3):
        known = [call for call in calls if call.started_at <= START + day * DAY]
        random.Random(day).shuffle(known)
        step = advance(stream, known, START + day * DAY)
        stream = step.stream
        observed += step.observations

    at_once = advance(STREAM, calls, START + 160 * DAY)

    assert tuple(observed) == at_once.observations


def test_what_is_learnt_after_the_age_counts_for_nobody():
    calls = [told("a", 0, True, 30), told("b", 1, True, 31.01)]

    step = advance(STREAM, calls, START + 90 * DAY)

    assert [each.outcome for each in step.observations] == [True, None]


def test_a_conversation_whose_turn_has_passed_is_reported_and_never_inserted():
    first = advance(STREAM, [told("b", 1), told("d", 3)], START + 33 * DAY)

    second = advance(first.stream, [told("a", 2), told("b", 1), told("d", 3), told("e", 4)], START + 40 * DAY)
    third = advance(second.stream, [told("a", 2)], START + 41 * DAY)

    assert [each.conversation_id for each in second.observations] == ["e"]
    assert second.late == third.late == ("a",)
    assert third.observations == ()


def test_a_late_one_that_nobody_has_overtaken_keeps_its_place():
    first = advance(STREAM, [told("b", 1)], START + 33 * DAY)

    second = advance(first.stream, [told("e", 4), told("c", 2)], START + 40 * DAY)

    assert [each.conversation_id for each in second.observations] == ["c", "e"]
    assert second.late == ()


def test_of_two_that_start_at_once_the_id_decides():
    step = advance(STREAM, [told("b", 1), told("a", 1)], START + 40 * DAY)

    assert [each.conversation_id for each in step.observations] == ["a", "b"]


def test_nothing_known_is_no_step():
    step = advance(STREAM, [], START)

    assert (step.observations, step.waiting, step.late, step.stream) == ((), 0, (), STREAM)
