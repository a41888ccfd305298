"""Reads conversations counted by age, and writes what became of them. Nothing here commits."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries
from ml_pipeline.metrics.maturity.aalen_johansen import Floats
from ml_pipeline.metrics.maturity.cohorts import Reference, Window, Worth
from ml_pipeline.metrics.maturity.delay_change import RecentSales
from ml_pipeline.metrics.maturity.delay_curve import DelayCurve
from ml_pipeline.metrics.maturity.rates import Learnt, MaturedRate, learn
from ml_pipeline.metrics.maturity.terms import Terms
from ml_pipeline.vocabulary.interval import Interval

MIN_CONVERSATIONS = 100
"""Of a platform or program that gets rows of its own."""
KEPT_AGES = (*range(24), *range(24, 72, 6))
"""Hours of age at which a curve is kept; after three days, one a day."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refunds:
    """Per slice: refunds by whole hours since the sale, and of how many sales."""

    by_hour: Mapping[str, Floats]
    sales: Mapping[str, int]


def lock(tx: Transaction) -> None:
    """Wait until no other transaction makes rates or checks delays."""
    queries("maturity").lock(tx)


def read_sales(tx: Transaction, as_of: datetime, terms: Terms) -> None:
    """Read what was known at ``as_of`` of every trusted conversation that the terms look at, once per transaction."""
    queries("maturity").read_sales(
        tx,
        as_of=as_of,
        start=terms.oldest(as_of),
        attribution_hours=terms.attribution_hours,
        refund_hours=terms.refund_hours,
        min_conversations=MIN_CONVERSATIONS,
    )


def references(tx: Transaction, interval: Interval, hours: int) -> dict[str, Reference]:
    """Return the references of ``interval`` by slice."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in queries("maturity").count_reference(tx, start=interval.start, end=interval.end):
        found[row["slice"]].append(row)
    return {name: _reference(rows, hours) for name, rows in found.items()}


def _reference(rows: Sequence[Row], hours: int) -> Reference:
    days, day_of_row = np.unique([row["day"] for row in rows], return_inverse=True)
    counts = {kind: np.zeros((len(days), hours + 1)) for kind in ("sold", "lost", "left")}
    for day, row in zip(day_of_row, rows, strict=True):
        counts[row["kind"]][day, row["hour"]] += row["n"]
    started = np.sum([count.sum(axis=1) for count in counts.values()], axis=0)
    # The last hour holds those that were watched to the end.
    return Reference(started, **{kind: count[:, :-1] for kind, count in counts.items()})


def refunds(tx: Transaction, interval: Interval, hours: int) -> Refunds:
    """Return the refunds of conversations of ``interval``, whose refund windows are over."""
    by_hour: dict[str, Floats] = defaultdict(lambda: np.zeros(hours))
    sales: dict[str, int] = defaultdict(int)
    for row in queries("maturity").count_refunds(tx, start=interval.start, end=interval.end):
        sales[row["slice"]] += row["n"]
        refunded = by_hour[row["slice"]]
        if row["hour"] is not None:
            refunded[row["hour"]] += row["n"]
    return Refunds(by_hour, sales)


def learn_from(tx: Transaction, as_of: datetime, terms: Terms) -> Learnt:
    """Learn how sales become known and are kept, from the references as of a moment."""
    refunded = refunds(tx, terms.refund_reference(as_of), terms.refund_hours)
    known = references(tx, terms.reference(as_of), terms.attribution_hours)
    return learn(known, refunded.by_hour, refunded.sales)


def windows(tx: Transaction, intervals: Sequence[Interval], terms: Terms) -> dict[tuple[Interval, str], Window]:
    """Return the conversations of each interval by slice; those without any are left out."""
    bounds = {"starts": [each.start for each in intervals], "ends": [each.end for each in intervals]}
    counted: dict[tuple[Interval, str], list[Row]] = defaultdict(list)
    for row in queries("maturity").count_windows(tx, **bounds, refund_hours=terms.refund_hours):
        counted[Interval(row["start"], row["end"]), row["slice"]].append(row)
    earned: dict[tuple[Interval, str], list[Row]] = defaultdict(list)
    for row in queries("maturity").sum_revenue(tx, **bounds):
        earned[Interval(row["start"], row["end"]), row["slice"]].append(row)
    return {key: _window(rows, earned[key], terms) for key, rows in counted.items()}


def _window(counted: Sequence[Row], earned: Sequence[Row], terms: Terms) -> Window:
    by_age, open_by_age = np.zeros((2, terms.attribution_hours + 1))
    for row in counted:
        by_age[row["watched"]] = row["n"]
        open_by_age[row["watched"]] = row["open"]
    worth: dict[str, Worth] = {}
    for row in earned:
        of_currency = worth.setdefault(row["currency"], Worth(*np.zeros((2, terms.refund_hours + 1))))
        of_currency.gross[row["sold_for"]] = row["gross"]
        of_currency.net[row["sold_for"]] = row["net"]
    sold, refundable = (sum(row[name] for row in counted) for name in ("sold", "refundable"))
    return Window(by_age, open_by_age, sold, refundable, worth)


def recent_sales(tx: Transaction, interval: Interval) -> dict[str, RecentSales]:
    """Return the sales of conversations of ``interval`` by slice."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in queries("maturity").recent_sales(tx, start=interval.start, end=interval.end):
        found[row["slice"]].append(row)
    return {
        name: RecentSales(*np.repeat([[row[c] for row in rows] for c in ("day", "age", "delay")],
                                     [row["n"] for row in rows], axis=1))
        for name, rows in found.items()
    }  # fmt: skip


def replace(
    tx: Transaction,
    as_of: datetime,
    reference: Interval,
    curves: Mapping[str, DelayCurve],
    rates: Mapping[tuple[Interval, str], MaturedRate],
) -> None:
    """Keep curves and rates as of a moment, in place of those of earlier moments of its day."""
    named = queries("maturity")
    named.forget_curves(tx, as_of=as_of)
    named.forget_rates(tx, as_of=as_of)
    named.record_curve(tx, [_curve_row(as_of, reference, name, curve) for name, curve in curves.items()])
    named.record_rate(tx, [_rate_row(as_of, *key, rate) for key, rate in rates.items()])


def is_delay_checked(tx: Transaction, as_of: datetime) -> bool:
    """Tell whether the delay was compared as of that moment; not where there were too few sales."""
    return bool(queries("maturity").is_delay_checked(tx, window_end=as_of))


def _curve_row(as_of: datetime, reference: Interval, name: str, curve: DelayCurve) -> Row:
    """Return a curve as it is kept, at fewer ages than it has."""
    hours = len(curve.known) - 1
    ages = [age for age in (*KEPT_AGES, *range(72, hours, 24)) if age < hours] + [hours]
    return {
        "as_of": as_of,
        "slice": name,
        "reference_start": reference.start,
        "reference_end": reference.end,
        "n": curve.conversations,
        "sales": curve.sales,
        "age_hours": ages,
        "cif": curve.incidence.sold[ages].tolist(),
        "open_share": curve.incidence.open[ages].tolist(),
        "known_share": curve.known[ages].tolist(),
        "dispersion": curve.dispersion,
    }


def _rate_row(as_of: datetime, window: Interval, slice_name: str, rate: MaturedRate) -> Row:
    correction = rate.correction
    return {
        "as_of": as_of,
        "window_start": window.start,
        "window_end": window.end,
        "slice": slice_name,
        "n_total": rate.conversations,
        "n_mature": rate.mature,
        "sold": rate.sold,
        "naive_rate": rate.naive,
        "corrected_rate": correction.rate.value if correction else None,
        "low": correction.rate.low if correction else None,
        "high": correction.rate.high if correction else None,
        "settled_share": correction.settled if correction else None,
        "curve_slice": correction.curve if correction else None,
        "revenue": json.dumps({currency: asdict(earned) for currency, earned in rate.revenue.items()}),
        "is_provisional": rate.is_provisional,
        "reason": rate.reason,
    }
