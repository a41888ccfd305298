"""Rates corrected for what is not known yet, from events through the log to the rows that pages read."""

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.delayed_floors import Calls, Floor, exponential, make_calls, reference_of, window_of
from ml_pipeline.cli import app
from ml_pipeline.jobs import ingest_events, roll_up_metrics
from ml_pipeline.metrics.maturity.corrected_rate import corrected_rate
from ml_pipeline.metrics.maturity.delay_curve import delay_curve
from tests.integration.events import START, Event, append, label, outcome, rows, trust_all, turn
from tests.integration.ledger import replayed

FLOOR = Floor(exponential(2), calls_a_week=280, rate=0.3, attribution_days=5, reference_days=21, lost_mean_days=1)
HOURS = FLOOR.attribution_hours
SINCE_MONDAY = START.weekday() * 24 + START.hour
"""Hours from Monday to START."""
CURRENT = "SELECT * FROM current_matured_rates"


@pytest.fixture(autouse=True)
def short_windows(monkeypatch):
    """Windows of five days and three weeks of history: months of calls would take minutes to make."""
    for name, value in (("ATTRIBUTION_DAYS", 5), ("REFUND_DAYS", 5), ("MATURITY_REFERENCE_WEEKS", 3)):
        monkeypatch.setenv(f"ML_PIPELINE_{name}", str(value))


def floor_calls(seed: int = 1) -> Calls:
    random = np.random.default_rng(seed)
    return make_calls(FLOOR, FLOOR.ever_sold(random), random)


def told(calls: Calls, until: datetime = START, **conversation: Any) -> list[list[Event]]:
    """Return what the agent and the CRM had told of ``calls`` by ``until``, in batches; all ages end at START."""
    events: list[Event] = []
    prefix = "-".join(map(str, conversation.values()))
    for number, (age, sold_after, lost_after) in enumerate(
        zip(calls.age, calls.sold_after, calls.lost_after, strict=True)
    ):
        name, start = f"{prefix}{number}", START - timedelta(hours=age)
        if start >= until:
            continue
        events.append(turn(name, 0, at=start, conversation={"language": "en", **conversation}))
        if start + timedelta(hours=min(sold_after, 9999)) < until:
            at = start + timedelta(hours=sold_after)
            events.append(label(name, "conversion", ["sold"], source="crm", value=100, currency="USD", at=at))
        elif start + timedelta(hours=min(lost_after, 9999)) < until:
            events.append(outcome(name, "lost", at=start + timedelta(hours=lost_after)))
    return [events[n : n + 1000] for n in range(0, len(events), 1000)]


def trusted(database, *batches: list[Event]) -> None:
    for batch in batches:
        append(database, map(replayed, batch))
    ingest_events.run()
    trust_all(database)


def rate(database, days: int = 7, slice_name: str = "") -> dict[str, Any]:
    (found,) = rows(
        database,
        f"{CURRENT} WHERE slice = %(slice)s AND window_end = as_of AND window_start = as_of - %(width)s",
        slice=slice_name,
        width=timedelta(days=days),
    )
    return found


def test_a_rate_is_that_of_the_same_calls_counted_by_hand(database):
    calls = floor_calls()
    trusted(database, *told(calls))

    counts = roll_up_metrics.mature_rates(START)

    found = rate(database)
    reference = reference_of(calls, HOURS, HOURS, 24 * 26)
    window = window_of(calls, HOURS, 7)
    expected = corrected_rate(window, delay_curve(reference))
    assert (found["n_total"], found["n_mature"], found["sold"]) == (window.conversations, window.mature, window.sold)
    assert found["naive_rate"] == window.sold / window.conversations
    assert (found["corrected_rate"], found["low"], found["high"]) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )
    assert found["naive_rate"] < found["corrected_rate"]
    assert (found["curve_slice"], found["reason"], found["is_provisional"]) == ("", None, True)
    assert found["n_mature"] / found["n_total"] < found["settled_share"] < 1
    assert counts["curves"] == 1
    (curve,) = rows(database, "SELECT * FROM delay_curves")
    assert (curve["n"], curve["sales"]) == (reference.conversations, reference.sales)
    assert curve["known_share"][0] == 0
    assert curve["known_share"][-1] == 1
    assert curve["age_hours"][-1] == HOURS


def test_a_platform_with_enough_history_has_a_curve_of_its_own(database):
    calls = floor_calls()
    first = calls.among(np.arange(len(calls.age)) % 8 != 0)
    second = calls.among(np.arange(len(calls.age)) % 8 == 0)
    trusted(database, *told(first, platform="web"), *told(second, platform="api"))

    roll_up_metrics.mature_rates(START)

    web, api = rate(database, slice_name="platform=web"), rate(database, slice_name="platform=api")
    assert (web["curve_slice"], api["curve_slice"]) == ("platform=web", "")
    assert web["n_total"] + api["n_total"] == rate(database)["n_total"]
    assert web["corrected_rate"] == pytest.approx(
        corrected_rate(window_of(first, HOURS, 7), delay_curve(reference_of(first, HOURS, HOURS, 24 * 26))).value
    )


def test_without_history_the_row_says_why_and_gives_no_rate(database):
    trusted(database, [turn("a", 0), label("a", "conversion", ["sold"], source="crm", at=START + timedelta(hours=2))])

    counts = roll_up_metrics.mature_rates(START + timedelta(days=2))

    found = rate(database)
    assert (found["n_total"], found["n_mature"], found["sold"], found["naive_rate"]) == (1, 0, 1, 1)
    assert (found["corrected_rate"], found["low"], found["high"], found["curve_slice"]) == (None, None, None, None)
    assert found["reason"].startswith("not enough history: 0 mature conversations")
    assert counts == {"curves": 0, "rates": 3, "uncorrected": 3, "delay_findings": 0}


def test_an_empty_database_has_no_rates(database):
    assert roll_up_metrics.mature_rates() == {"curves": 0, "rates": 0, "uncorrected": 0, "delay_findings": 0}


def test_only_trusted_hours_are_read(database):
    trusted(database, [turn("a", 0)], [turn("b", 0, at=START + timedelta(hours=1))])
    rows(database, "UPDATE quality_verdicts SET state = 'held' WHERE hour = %(hour)s", hour=START)

    roll_up_metrics.mature_rates(START + timedelta(days=2))

    assert rate(database)["n_total"] == 1


def test_what_was_learnt_later_was_not_known_then(database):
    trusted(
        database,
        [turn("a", 0), label("a", "conversion", ["sold"], source="crm", at=START + timedelta(days=1))],
    )

    roll_up_metrics.mature_rates(START + timedelta(hours=23))
    before = rate(database)["sold"]
    roll_up_metrics.mature_rates((START + timedelta(hours=24)).isoformat())

    assert (before, rate(database)["sold"]) == (0, 1)


def test_a_sale_after_the_attribution_window_counts_for_nothing(database):
    late, instant = timedelta(days=5, hours=1), timedelta(seconds=-30)
    trusted(
        database,
        [
            turn("late", 0),
            label("late", "conversion", ["sold"], source="crm", value=9, currency="EUR", at=START + late),
            turn("early", 0),
            label("early", "conversion", ["sold"], source="crm", value=5, currency="EUR", at=START + instant),
        ],
    )

    roll_up_metrics.mature_rates(START + timedelta(days=6))

    found = rate(database)
    assert (found["sold"], found["n_mature"], found["corrected_rate"]) == (1, 2, 0.5)
    assert found["revenue"]["EUR"]["gross"] == 5


def test_a_refund_takes_from_the_net_and_revenue_is_provisional_until_both_windows_have_closed(database):
    sold = [
        event_
        for name, value in (("a", 100), ("b", 50))
        for event_ in (
            turn(name, 0),
            label(
                name, "conversion", ["sold"], source="crm", value=value, currency="USD", at=START + timedelta(days=1)
            ),
        )
    ]
    refund = label("b", "conversion", [], source="crm", value=-50, currency="USD", at=START + timedelta(days=3))
    trusted(database, sold, [refund])

    found = {}
    for days in (2, 5, 6.5):
        roll_up_metrics.mature_rates(START + timedelta(days=days))
        found[days] = rate(database)

    assert [found[days]["revenue"]["USD"]["gross"] for days in found] == [150, 150, 150]
    assert [found[days]["revenue"]["USD"]["net"] for days in found] == [150, 100, 100]
    assert [found[days]["sold"] for days in found] == [2, 2, 2]
    assert [found[days]["n_mature"] for days in found] == [0, 2, 2]
    assert [found[days]["is_provisional"] for days in found] == [True, True, False]


def test_refunds_and_sales_to_come_are_expected_from_history(database):
    calls = floor_calls()
    batches = told(calls)
    sales = [each for batch in batches for each in batch if each["event_type"] == "label"]
    refunds = [
        label(
            sale["client_id"], "conversion", [], source="crm", value=-100, currency="USD", at=at + timedelta(hours=30)
        )
        for sale in sales[::5]
        if (at := datetime.fromisoformat(sale["timestamp"])) < START - timedelta(hours=30)
    ]
    trusted(database, *batches, refunds)

    roll_up_metrics.mature_rates(START)

    earned, found = rate(database)["revenue"]["USD"], rate(database)
    assert earned["net"] <= earned["gross"] == 100 * found["sold"]
    assert earned["expected_net"] == pytest.approx(100 * found["corrected_rate"] * found["n_total"] * 0.8, rel=0.12)


def test_doing_it_again_replaces_the_day_s_rows_and_keeps_other_days(database):
    trusted(database, [turn("a", 0)])
    moments = [START + timedelta(hours=hours) for hours in (1, 30, 31, 31)]

    for moment in moments:
        roll_up_metrics.mature_rates(moment)

    kept = rows(database, "SELECT DISTINCT as_of FROM matured_rates ORDER BY as_of")
    assert [row["as_of"] for row in kept] == [moments[0], moments[3]]


def test_two_runs_at_once_leave_one_set_of_rates(database):
    trusted(database, told(floor_calls())[0][:200])
    runs = [threading.Thread(target=roll_up_metrics.mature_rates, args=(START,)) for _ in range(2)]

    for run in runs:
        run.start()
    for run in runs:
        run.join()

    assert len(rows(database, CURRENT)) == roll_up_metrics.mature_rates(START)["rates"]


def test_every_week_is_followed_until_both_windows_have_closed(database):
    trusted(database, [turn(f"{day}", 0, at=START + timedelta(days=day)) for day in range(-35, 0)])

    roll_up_metrics.mature_rates(START)

    weeks = rows(database, f"{CURRENT} WHERE window_start = date_trunc('week', window_start, 'UTC') ORDER BY 3")
    weeks = [row for row in weeks if row["window_end"] - row["window_start"] <= timedelta(days=7)]
    assert weeks[0]["is_provisional"] is False
    assert weeks[-1]["window_end"] == START
    assert weeks[-1]["is_provisional"] is True


def slowed(calls: Calls) -> Calls:
    """Return the calls with the delays of the last two weeks before Monday twice as long."""
    return replace(calls, sold_after=np.where(calls.age < 14 * 24 + SINCE_MONDAY, 2.0, 1.0) * calls.sold_after)


@pytest.mark.parametrize(("change", "findings"), [(slowed, 1), (lambda calls: calls, 0)])
def test_delays_are_compared_once_a_week_and_a_finding_is_told_to_the_agent(database, change, findings):
    floor = replace(FLOOR, calls_a_week=500, reference_days=40)
    random = np.random.default_rng(2)
    trusted(database, *told(change(make_calls(floor, floor.ever_sold(random), random))))

    counts = [roll_up_metrics.mature_rates(START)["delay_findings"] for _ in range(2)]

    (check,) = rows(database, "SELECT * FROM drift_checks")
    assert counts == [findings, 0]
    assert (check["kind"], check["subject"]) == ("delay", "delay of sales")
    assert check["window_end"] == START - timedelta(hours=SINCE_MONDAY)
    assert check["has_drifted"] == (findings == 1)
    assert 0 < check["p_value"] <= 1
    alerts = rows(database, "SELECT headline FROM facade_drift WHERE has_drifted")
    assert [row["headline"][:14] for row in alerts] == ["Delay changed:"] * findings


def test_the_command_shows_each_window_with_what_is_mature_and_the_corrected_rate(database):
    trusted(database, *told(floor_calls()))
    roll_up_metrics.mature_rates(START)

    shown = CliRunner().invoke(app, ["rates"], env={"COLUMNS": "160"}).output

    found = rate(database)
    (line,) = [line for line in shown.splitlines() if "last 7 days" in line]
    assert f"{found['n_mature']} / {found['n_total']}" in line
    assert f"{found['corrected_rate']:.1%} [{found['low']:.1%}, {found['high']:.1%}]" in line
    assert f"~{found['revenue']['USD']['net']:,.0f} USD" in line


def test_the_command_says_that_there_are_no_rates_yet(database):
    assert CliRunner().invoke(app, ["rates"]).output.startswith("No rates yet")
