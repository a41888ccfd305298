"""What is known of the sales of conversations at a moment: when it was learnt, and what is left of the money."""

from datetime import timedelta
from typing import Any

import pytest

from tests.integration import ledger
from tests.integration.events import Event, rows
from tests.integration.ledger import CALL, call, day, ended, said


def project(database, *events: Event) -> None:
    ledger.project(database, call(), *events)


def sale(database, on: float | None = None) -> dict[str, Any]:
    """Return what was known of the conversation so many days after the call; by default, all that is known."""
    moment = "infinity" if on is None else day(on).isoformat()
    statement = "SELECT * FROM sales_as_of(%(moment)s, %(low)s, %(high)s)"
    (found,) = rows(database, statement, moment=moment, low=CALL, high=CALL + timedelta(hours=1))
    return found


def money(found: dict[str, Any]) -> tuple[Any, Any, Any]:
    return found["value"], found["net_value"], found["currency"]


def test_nothing_is_known_of_a_call_that_nobody_spoke_of(database):
    project(database)

    found = sale(database)

    assert (found["is_sold"], found["sold_learnt_at"], found["label_source"]) == (None, None, None)
    assert money(found) == (None, None, "")


def test_a_sale_is_known_from_when_it_was_learnt(database):
    project(database, ended(), said(["sold"], on=9, value=2700, currency="USD"))

    before, since = sale(database, on=8.9), sale(database, on=9)

    assert (before["is_sold"], before["sold_learnt_at"], before["label_source"]) == (False, None, "agent")
    assert money(before) == (0, 0, "")
    assert (since["is_sold"], since["sold_learnt_at"], since["label_source"]) == (True, day(9), "crm")
    assert money(since) == (2700, 2700, "USD")


def test_that_a_call_ended_is_no_loss(database):
    project(database, ended("abandoned"))

    found = sale(database)

    assert (found["is_sold"], found["lost_learnt_at"]) == (False, None)


@pytest.mark.parametrize("told", [{"result": "declined"}, {"conversion_value": 0}])
def test_a_sale_may_follow_a_loss(database, told):
    project(database, ended(**told), said(["sold"], on=9, value=2700, currency="USD"))

    lost, found = sale(database, on=1), sale(database)

    assert (lost["is_sold"], lost["lost_learnt_at"]) == (False, day(0))
    assert (found["is_sold"], found["lost_learnt_at"], found["sold_learnt_at"]) == (True, day(0), day(9))
    assert found["refunded_learnt_at"] is None


@pytest.mark.parametrize(
    ("refund", "left"),
    [
        (ended("refunded", on=5, conversion_value=0), 0),
        (ended("refunded", on=5, conversion_value=-2700, currency="USD"), 0),
        (ended("refunded", on=5, conversion_value=-700), 2000),
        (said([], on=5, source="crm"), 0),
        (said([], on=5, value=2700), 0),
        (said([], on=5, value=-700, currency="EUR"), 0),
    ],
)
def test_a_refund_is_a_second_transition_and_what_is_left_is_net(database, refund, left):
    project(database, ended("converted", conversion_value=2700, currency="USD"), refund)

    before, found = sale(database, on=4), sale(database)

    assert (before["is_sold"], before["refunded_learnt_at"], money(before)) == (True, None, (2700, 2700, "USD"))
    assert (found["is_sold"], found["sold_learnt_at"], found["refunded_learnt_at"]) == (False, day(0), day(5))
    assert money(found) == (2700, left, "USD")
    assert found["lost_learnt_at"] is None


@pytest.mark.parametrize(
    ("told", "worth"),
    [
        ({"value": 2000, "currency": "USD"}, (2700, 2000, "USD")),
        ({"value": -700}, (2700, 2000, "USD")),
        ({"value": -700, "currency": "EUR"}, (2700, 2700, "USD")),
        ({"value": 3200}, (3200, 3200, "USD")),
        ({"value": 2500, "currency": "EUR"}, (2500, 2500, "EUR")),
        ({}, (2700, 2700, "USD")),
    ],
)
def test_a_sale_that_goes_on_may_be_worth_less_or_more(database, told, worth):
    project(database, ended("converted", conversion_value=2700, currency="USD"), said(["sold"], on=3, **told))

    found = sale(database)

    assert (found["is_sold"], found["sold_learnt_at"], found["refunded_learnt_at"]) == (True, day(0), None)
    assert money(found) == worth


def test_a_corrected_sale_keeps_its_day_and_never_was_worth_what_was_wrong(database):
    wrong = said(["sold"], on=1, value=7200, currency="USD")
    project(database, wrong, said(["sold"], on=4, value=2700, supersedes=wrong["id"]))

    assert money(sale(database, on=3)) == (7200, 7200, "USD")
    assert money(sale(database)) == (2700, 2700, "USD")
    assert sale(database)["sold_learnt_at"] == day(1)


def test_a_sale_that_was_a_mistake_was_none(database):
    wrong = ended("converted", conversion_value=2700, currency="USD")
    project(database, wrong, said([], on=4, supersedes=wrong["id"]))

    before, found = sale(database, on=3), sale(database)

    assert (before["is_sold"], before["sold_learnt_at"]) == (True, day(0))
    assert (found["is_sold"], found["sold_learnt_at"], found["refunded_learnt_at"]) == (False, None, None)
    assert found["lost_learnt_at"] == day(4)
    assert money(found) == (0, 0, "USD")


def test_what_is_sold_again_is_refunded_no_more(database):
    project(database, said(["sold"], on=1, value=90), said([], on=2), said(["sold"], on=3), said([], on=4))

    refunded, again, found = sale(database, on=2), sale(database, on=3), sale(database)

    assert (refunded["refunded_learnt_at"], again["refunded_learnt_at"]) == (day(2), None)
    assert (again["sold_learnt_at"], again["net_value"]) == (day(1), 90)
    assert (found["refunded_learnt_at"], found["net_value"], found["value"]) == (day(4), 0, 90)


@pytest.mark.parametrize("on", [0, 3])
def test_a_worth_that_the_better_source_does_not_name_is_the_agents(database, on):
    project(database, ended("converted", on=on, conversion_value=2700, currency="EUR"), said(["sold"], on=1))

    assert money(sale(database)) == (2700, 2700, "EUR")
    assert sale(database)["label_source"] == "crm"


def test_a_worse_source_does_not_move_what_the_better_one_named(database):
    project(
        database,
        said(["sold"], on=1, value=2700, currency="USD"),
        ended("converted", on=2, conversion_value=9, currency="EUR"),
        ended("refunded", on=3, conversion_value=0),
        said(["sold"], on=4),
    )

    found = sale(database)

    assert money(found) == (2700, 2700, "USD")
    assert (found["is_sold"], found["refunded_learnt_at"]) == (True, None)


def test_a_worth_that_was_told_in_error_is_named_by_nobody(database):
    wrong = said(["sold"], on=1, value=7200)
    project(database, wrong, said(["sold"], on=2, supersedes=wrong["id"]))

    assert money(sale(database)) == (None, None, "")


def test_a_sale_whose_worth_nobody_named_has_none(database):
    project(database, ended(), said(["sold"], on=1), said(["sold"], on=2, value=-9))

    assert money(sale(database)) == (None, None, "")


def test_what_is_left_after_a_refund_is_left_when_the_sale_is_confirmed(database):
    project(database, said(["sold"], on=1, value=90), said(["sold"], on=2, value=-60), said(["sold"], on=3))

    assert money(sale(database)) == (90, 30, "")


def test_a_refund_is_never_more_than_the_sale(database):
    project(database, said(["sold"], on=1, value=90), said([], on=2, value=-60), said([], on=3, value=-60))

    assert money(sale(database, on=2)) == (90, 30, "")
    assert money(sale(database)) == (90, 0, "")
