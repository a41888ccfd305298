import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from ml_pipeline.alerts.kinds.absence import Absence
from ml_pipeline.alerts.kinds.absence import Reading as Counted
from ml_pipeline.alerts.kinds.budget import Budget
from ml_pipeline.alerts.kinds.budget import Reading as Spent
from ml_pipeline.alerts.kinds.change import Change
from ml_pipeline.alerts.kinds.change import Reading as Changed
from ml_pipeline.alerts.kinds.threshold import Reading, Threshold
from ml_pipeline.alerts.rulebook import read_rule, read_rules
from ml_pipeline.alerts.sample import Sample
from ml_pipeline.alerts.verdict import State
from ml_pipeline.errors import RuleError
from ml_pipeline.vocabulary.interval import Interval

WINDOW = Interval(datetime(2026, 3, 1, 9, tzinfo=UTC), datetime(2026, 3, 1, 12, tzinfo=UTC))
ERRORS: dict[str, Any] = {
    "name": "errors",
    "kind": "threshold",
    "description": "…",
    "severity": "warning",
    "owner": "agent",
    "runbook": "docs/alerts.md",
    "metric": "error_rate",
    "direction": "above",
    "bound": 0.05,
    "clear_bound": 0.03,
    "window_hours": 3,
    "min_n": 50,
}


def share(value: float, n: int, hours: int = 1, variance: float | None = None) -> Sample:
    return Sample(value, n, hours, is_share=True, variance=variance)


def state_of(sample: Sample, **fields: Any) -> State:
    rule = read_rule("errors", {**ERRORS, **fields})
    assert isinstance(rule, Threshold)
    return rule.judge(Reading("", WINDOW, sample, {})).state


@pytest.mark.parametrize(
    ("value", "n", "state"),
    [
        (0.2, 400, State.FIRING),
        (0.06, 400, State.BETWEEN),  # above the bound, not surely
        (0.06, 40_000, State.FIRING),
        (0.04, 40_000, State.BETWEEN),  # below the bound, not yet clear
        (0.03, 400, State.QUIET),
        (0.9, 49, State.UNKNOWN),
    ],
)
def test_a_share_fires_only_where_it_is_surely_above_its_bound(value, n, state):
    assert state_of(share(value, n)) is state


def test_hours_that_differ_much_count_for_less():
    assert state_of(share(0.08, 2_000, hours=24, variance=0.00002)) is State.FIRING
    assert state_of(share(0.08, 2_000, hours=24, variance=0.0004)) is State.BETWEEN


def test_a_direction_below_mirrors_one_above():
    below = {"direction": "below", "metric": "accuracy", "bound": 0.7, "clear_bound": 0.75}

    assert state_of(share(0.5, 1000), **below) is State.FIRING
    assert state_of(share(0.72, 1000), **below) is State.BETWEEN
    assert state_of(share(0.8, 1000), **below) is State.QUIET


def test_the_interval_covers_what_it_says():
    random = np.random.default_rng(5)
    drawn = random.binomial(400, 0.05, 20_000) / 400

    misses = [not (low <= 0.05 <= high) for low, high in (share(float(p), 400).interval() for p in np.unique(drawn))]
    rate = sum(np.mean(drawn == p) for p, missed in zip(np.unique(drawn), misses, strict=True) if missed)

    assert rate < 0.003


def test_of_a_mean_without_spread_nothing_is_sure():
    assert Sample(4.0, 100, 2, is_share=False).interval() == (-math.inf, math.inf)


def test_a_change_is_judged_against_both_intervals_and_its_size():
    rule = read_rule("change", {**ERRORS, "kind": "change", "bound": 0.05, "clear_bound": 0.02, "metric": "accuracy",
                                "direction": "below"})  # fmt: skip
    assert isinstance(rule, Change)

    def judged(recent: float, usual: float, n: int) -> State:
        return rule.judge(Changed("", WINDOW, share(recent, n), share(usual, n), {})).state

    assert judged(0.6, 0.8, 1_000) is State.FIRING
    assert judged(0.6, 0.8, 60) is State.BETWEEN
    assert judged(0.1, 0.9, 49) is State.UNKNOWN
    assert judged(0.77, 0.8, 100_000) is State.BETWEEN
    assert judged(0.79, 0.8, 1_000) is State.QUIET
    assert judged(0.9, 0.8, 1_000) is State.QUIET


@pytest.mark.parametrize(
    ("count", "expected", "state"),
    [
        (0, 19.0, State.UNKNOWN),
        (2, 20.0, State.FIRING),
        (3, 20.0, State.BETWEEN),
        (5, 20.0, State.QUIET),
    ],
)
def test_what_was_hardly_to_be_expected_is_not_missed(count, expected, state):
    rule = read_rules().rules["traffic_absent"]
    assert isinstance(rule, Absence)

    assert rule.judge(Counted("agent", WINDOW, count, expected, {})).state is state


def test_a_budget_fires_while_it_burns_and_not_after():
    rule = read_rules().rules["error_budget_burns"]
    assert isinstance(rule, Budget)

    def judged(hour: float, six: float, three_days: float) -> State:
        spans = {1: share(hour, 500), 6: share(six, 3_000), 72: share(three_days, 36_000), 672: share(0.01, 300_000)}
        return rule.judge(Spent("", WINDOW, spans, {})).state

    assert judged(0.3, 0.06, 0.01) is State.FIRING  # 2 % of the budget in an hour
    assert judged(0.08, 0.1, 0.01) is State.FIRING  # 5 % in six
    assert judged(0.005, 0.1, 0.005) is State.QUIET  # it is over
    assert judged(0.004, 0.004, 0.004) is State.QUIET


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("bound", "much", "'much'"),
        ("metric", "acuracy", "metric = 'acuracy'"),
        ("metric", "latency_p95", "latency_p95"),
        ("severity", "loud", "'loud'"),
        ("kind", "hunch", "'hunch'"),
        ("clear_bound", 0.2, "clear_bound = 0.2"),
        ("bound", 5, "is a share"),
        ("bound", math.nan, "nan"),
        ("bound", math.inf, "inf"),
        ("window_hours", 0, "window_hours` is 0"),
        ("colour", "red", "colour"),
        ("name", "Errors!", "'Errors!'"),
    ],
)
def test_a_rule_that_cannot_be_read_says_which_field_and_value(field, value, told):
    with pytest.raises(RuleError) as refused:
        read_rule("errors", {**ERRORS, field: value})

    assert "errors" in str(refused.value)
    assert told in str(refused.value)


def test_the_operator_s_rules_come_over_the_shipped_ones():
    book = read_rules([{"name": "error_rate_high", "bound": 0.2}, {"name": "ingest_lag", "disabled": True}, ERRORS])

    shipped, mended = read_rules().rules["error_rate_high"], book.rules["error_rate_high"]
    assert isinstance(shipped, Threshold)
    assert isinstance(mended, Threshold)
    assert (mended.bound, mended.clear_bound) == (0.2, shipped.clear_bound)
    assert "ingest_lag" not in book.rules
    assert "errors" in book.rules


def test_one_broken_rule_leaves_the_others():
    book = read_rules([{**ERRORS, "bound": "much"}, {"kind": "threshold"}])

    assert set(book.unreadable) == {"errors", "alert_rules[1]"}
    assert book.rules == read_rules().rules
