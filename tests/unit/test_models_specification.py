"""What a specification keeps, and how the cut-off is chosen."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from ml_pipeline.models.specification import (
    Closed,
    Specification,
    Terms,
    Window,
    choose_cut_off,
    read_specification,
    window_of,
)
from ml_pipeline.vocabulary.interval import Interval
from ml_pipeline.vocabulary.tasks import CONVERSION, NEEDS

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
TERMS = Terms(Window(2.0, is_from_start=False), 0.25, 50, False, "no", 10.0)
SPECIFICATION = Specification(
    NEEDS,
    Interval(START, START + timedelta(days=90)),
    START + timedelta(days=60),
    START + timedelta(days=92),
    (Interval(START, START + timedelta(days=40)),),
    TERMS,
    2,
    "a revision",
)


def calls(count: int, *, window_days: float = 2, positives: int = 1, negatives: int = 1) -> list[Closed]:
    """Return conversations, ten a day."""
    starts = [START + timedelta(hours=2.4) * number for number in range(count)]
    return [Closed(at, at + timedelta(days=window_days), positives, negatives) for at in starts]


def shares(closed: list[Closed], cut_off: datetime | None) -> tuple[int, int]:
    """Return how many teach and how many judge."""
    assert cut_off is not None
    return sum(one.closed_at <= cut_off for one in closed), sum(one.started_at >= cut_off for one in closed)


@pytest.mark.parametrize("window_days", [0, 2, 30])
def test_the_newest_quarter_of_those_that_serve_judges_whatever_the_window_costs(window_days):
    closed = calls(900, window_days=window_days)

    teaching, judging = shares(closed, choose_cut_off(closed, TERMS, is_binary=False))

    assert judging / (teaching + judging) == pytest.approx(0.25, abs=0.002)
    assert teaching + judging == pytest.approx(900 - 10 * window_days, abs=1)


def test_older_ones_judge_too_until_there_are_examples_enough():
    closed = [replace(one, positives=number % 4 == 0) for number, one in enumerate(calls(500))]

    _, judging = shares(closed, choose_cut_off(closed, TERMS, is_binary=False))

    assert judging == 200


def test_no_more_judge_than_teach_however_few_the_examples():
    closed = calls(200, positives=0)

    teaching, judging = shares(closed, choose_cut_off(closed, TERMS, is_binary=False))

    assert judging <= teaching <= judging + 2


def test_of_two_classes_the_rarer_one_counts():
    closed = [replace(one, negatives=number % 4 == 0) for number, one in enumerate(calls(500))]

    _, judging = shares(closed, choose_cut_off(closed, TERMS, is_binary=True))

    assert judging == 200


def test_calls_that_began_at_once_are_not_parted():
    closed = sorted([*calls(100), *calls(100), *calls(100)], key=lambda one: one.started_at)

    cut_off = choose_cut_off(closed, replace(TERMS, gate_min_positives=1), is_binary=False)

    assert sum(one.started_at == cut_off for one in closed) == 3
    assert shares(closed, cut_off)[1] % 3 == 0


def test_where_nothing_had_closed_before_another_began_nothing_can_teach():
    closed = calls(10, window_days=30)

    teaching, judging = shares(closed, choose_cut_off(closed, TERMS, is_binary=False))

    assert (teaching, judging > 0) == (0, True)


def test_without_conversations_there_is_no_cut_off():
    assert choose_cut_off([], TERMS, is_binary=False) is None


def test_a_sale_is_awaited_from_the_start_and_a_label_from_the_last_turn():
    assert window_of(CONVERSION, attribution_days=30, label_days=2) == Window(30.0, is_from_start=True)
    assert window_of(NEEDS, attribution_days=30, label_days=2) == Window(2.0, is_from_start=False)


def test_a_specification_comes_back_from_its_document_with_the_same_digest():
    again = read_specification(msgspec.json.decode(msgspec.json.encode(SPECIFICATION.as_document())))

    assert again == SPECIFICATION
    assert again.digest == SPECIFICATION.digest


@pytest.mark.parametrize(
    "change",
    [
        {"task": CONVERSION},
        {"cut_off": START},
        {"known_until": START + timedelta(days=93)},
        {"started": Interval(START, START)},
        {"trusted": ()},
        {"terms": replace(TERMS, with_derived=True)},
        {"feature_revision": 3},
        {"code_revision": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_everything_in_a_specification_names_it(change):
    assert replace(SPECIFICATION, **change).digest != SPECIFICATION.digest


def test_the_two_excerpts_of_a_specification_share_no_conversation_and_are_known_at_different_times():
    teaches, judges = SPECIFICATION.excerpts

    assert teaches.started.end == judges.started.start == SPECIFICATION.cut_off
    assert (teaches.as_of, judges.as_of) == (SPECIFICATION.cut_off, SPECIFICATION.known_until)
    assert judges.seen_by == SPECIFICATION.cut_off


def test_derived_labels_judge_nothing_even_where_they_teach():
    teaches, judges = replace(SPECIFICATION, terms=replace(TERMS, with_derived=True)).excerpts

    assert (teaches.with_derived, judges.with_derived) == (True, False)
