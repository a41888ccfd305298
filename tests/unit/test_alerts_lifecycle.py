from datetime import UTC, datetime, timedelta

import pytest

from ml_pipeline.alerts.lifecycle import Standing, Step, advance
from ml_pipeline.alerts.rule import Rule
from ml_pipeline.alerts.rulebook import UNREADABLE, Rulebook, read_rules
from ml_pipeline.alerts.verdict import State

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
F, B, Q, U = State.FIRING, State.BETWEEN, State.QUIET, State.UNKNOWN


def rule(fire_after: int = 1, clear_after: int = 2) -> Rule:
    return Rule(
        name="a_rule",
        description="…",
        severity="info",
        owner="models",
        runbook="docs/alerts.md",
        window_hours=1,
        fire_after=fire_after,
        clear_after=clear_after,
    )


def walk(of: Rule, *states: State) -> list[Step]:
    """Return the steps of hourly verdicts."""
    standing: Standing | None = None
    steps = []
    for hour, state in enumerate(states):
        standing, step = advance(of, standing, state, START + timedelta(hours=hour))
        steps.append(step)
    return steps


def test_an_alert_opens_once_and_resolves_once():
    assert walk(rule(), F, F, Q, Q, Q) == [Step.OPEN, Step.SEEN, Step.NOTHING, Step.RESOLVE, Step.NOTHING]


def test_a_figure_that_flaps_does_not_flap_the_alert():
    steps = walk(rule(clear_after=2), *[F, Q] * 20)

    assert steps.count(Step.OPEN) == 1
    assert Step.RESOLVE not in steps


def test_a_figure_that_flaps_opens_nothing_where_two_firing_hours_are_needed():
    assert set(walk(rule(fire_after=2), *[F, Q] * 20)) == {Step.NOTHING}


def test_between_the_bounds_nothing_opens_and_nothing_resolves():
    assert walk(rule(), B, B, F, B, B, Q, B, Q, Q) == [
        *[Step.NOTHING] * 2, Step.OPEN, *[Step.NOTHING] * 5, Step.RESOLVE
    ]  # fmt: skip


def test_hours_without_enough_samples_neither_count_nor_break_a_row():
    assert walk(rule(fire_after=2), F, U, U, F) == [Step.NOTHING, Step.NOTHING, Step.NOTHING, Step.OPEN]
    assert walk(rule(clear_after=2), F, Q, U, Q)[-1] is Step.RESOLVE


def test_an_hour_judged_again_counts_once():
    standing, first = advance(rule(fire_after=2), None, F, START)
    again, second = advance(rule(fire_after=2), standing, F, START)

    assert (first, second) == (Step.NOTHING, Step.NOTHING)
    assert again == standing


def test_late_data_that_make_the_hour_quiet_take_its_firing_back():
    standing, _ = advance(rule(fire_after=2), None, F, START)
    standing, _ = advance(rule(fire_after=2), standing, Q, START)
    _, step = advance(rule(fire_after=2), standing, F, START + timedelta(hours=1))

    assert step is Step.NOTHING


def test_an_earlier_hour_than_the_last_changes_nothing():
    standing, _ = advance(rule(), None, Q, START)

    assert advance(rule(), standing, F, START - timedelta(hours=1)) == (standing, Step.NOTHING)


@pytest.mark.parametrize("hours", [1, 3])
def test_after_it_resolved_an_alert_opens_anew(hours):
    steps = walk(rule(fire_after=hours, clear_after=hours), *[F] * hours, *[Q] * hours, *[F] * hours)

    assert steps.count(Step.OPEN) == 2


def test_alerts_that_nothing_would_resolve_are_found():
    book = Rulebook(read_rules().rules, {"own": "…"})
    now, long_ago = START, START - timedelta(days=8)

    orphans = book.orphans(
        {
            ("error_rate_high", ""): now,
            ("ingest_lag", ""): long_ago,
            ("no_longer", ""): now,
            (UNREADABLE.name, "own"): now,
            (UNREADABLE.name, "gone"): now,
        },
        now,
    )

    assert orphans == {
        ("ingest_lag", ""): "not measured any more",
        ("no_longer", ""): "the rule was taken out",
        (UNREADABLE.name, "gone"): "the rule was taken out",
    }
