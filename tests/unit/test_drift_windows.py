from datetime import UTC, datetime, timedelta

import pytest

from ml_pipeline.drift.windows import due_windows, training_reference
from ml_pipeline.vocabulary.interval import Interval

WEEK = timedelta(days=7)
NOW = datetime(2026, 3, 1, 13, tzinfo=UTC)


def test_the_first_window_ends_where_trusted_facts_end():
    windows = due_windows(NOW, None, WEEK)

    assert windows.recent == Interval(NOW - WEEK, NOW)
    assert windows.reference == Interval(NOW - 5 * WEEK, NOW - WEEK)


@pytest.mark.parametrize("hours", [0, 1, 7 * 24 - 1])
def test_until_the_next_window_is_over_the_last_one_is_due_again(hours):
    windows = due_windows(NOW + timedelta(hours=hours), NOW, WEEK)

    assert windows.recent.end == NOW


def test_the_next_window_begins_where_the_last_one_ended():
    windows = due_windows(NOW + WEEK, NOW, WEEK)

    assert windows.recent == Interval(NOW, NOW + WEEK)


def test_windows_missed_are_skipped_without_leaving_the_grid():
    windows = due_windows(NOW + 3 * WEEK + timedelta(days=2), NOW, WEEK)

    assert windows.recent == Interval(NOW + 2 * WEEK, NOW + 3 * WEEK)


def test_trusted_facts_that_went_back_do_not_move_the_window():
    windows = due_windows(NOW - timedelta(days=20), NOW, WEEK)

    assert windows.recent.end == NOW


def test_the_training_reference_stops_where_the_recent_window_begins():
    recent = Interval(NOW - WEEK, NOW)

    reference = training_reference(Interval(NOW - 9 * WEEK, NOW), recent)

    assert reference == Interval(NOW - 9 * WEEK, recent.start)


def test_without_a_champion_there_is_no_training_reference():
    assert training_reference(None, Interval(NOW - WEEK, NOW)) is None
