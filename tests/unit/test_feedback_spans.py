from datetime import UTC, datetime, timedelta

from ml_pipeline.feedback.spans import HOUR, MAX_WIDTH, spans

START = datetime(2026, 3, 1, tzinfo=UTC)


def hours(*numbers: int) -> list[datetime]:
    return [START + n * HOUR for n in numbers]


def test_no_hours_make_no_spans():
    assert spans([]) == []


def test_hours_close_to_each_other_share_a_span_that_holds_only_them():
    (span,) = spans(hours(0, 3, 20))

    assert span.hours == tuple(hours(0, 3, 20))
    assert span.interval.start == START
    assert span.interval.end == START + 21 * HOUR


def test_hours_far_apart_do_not_share_a_span():
    assert [span.hours for span in spans(hours(0, 25))] == [tuple(hours(0)), tuple(hours(25))]


def test_hundreds_of_hours_are_cut_into_weeks_and_none_is_lost():
    changed = hours(*range(500))

    grouped = spans(changed)

    assert [hour for span in grouped for hour in span.hours] == changed
    assert all(span.interval.end - span.interval.start <= MAX_WIDTH for span in grouped)
    assert len(grouped) == 3


def test_an_hour_named_twice_in_any_order_is_looked_at_once():
    (span,) = spans([*hours(2, 1), *hours(1)])

    assert span.hours == tuple(hours(1, 2))
    assert span.interval.end - span.interval.start == timedelta(hours=2)
