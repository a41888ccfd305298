"""The statements of trends. Nothing here commits."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries
from ml_pipeline.metrics.trends.change_points import Change, ChangePoint
from ml_pipeline.metrics.trends.family import Looked, Trend
from ml_pipeline.metrics.trends.selection import Kind
from ml_pipeline.metrics.trends.series import Day, Series

Row = dict[str, Any]


def lock(tx: Transaction) -> None:
    """Wait until nobody else looks for trends."""
    queries("trends").lock(tx)


def last_day_end(tx: Transaction, now: datetime) -> datetime | None:
    """Return the end of the newest day that is over and all of whose hours may be read, None without one."""
    end: datetime | None = queries("trends").last_day_end(tx, now=now)
    return end


def read_days(tx: Transaction, kinds: Iterable[Kind], since: datetime, until: datetime) -> dict[Series, list[Day]]:
    """Return the days of ``[since, until)`` that may be read, by series, in order."""
    wanted = _json([kind._asdict() for kind in kinds])
    found = defaultdict[Series, list[Day]](list)
    for row in queries("trends").read_days(tx, wanted=wanted, since=since, until=until):
        found[_series(row)].append(Day(row["at"], row["value"], row["n"]))
    return dict(found)


def known_changes(tx: Transaction) -> dict[Series, list[Change]]:
    """Return the changes found so far, by series, in order."""
    found = defaultdict[Series, list[Change]](list)
    for row in queries("trends").known_changes(tx):
        found[_series(row)].append(Change(row["at"], row["detected_at"]))
    return dict(found)


def keep_trends(tx: Transaction, as_of: datetime, trends: Mapping[Looked, Trend]) -> int:
    """Write the trends of some metrics at ``as_of``, in place of what stood there; return how many."""
    queries("trends").forget_trends(tx, as_of=as_of, metrics=sorted({each.series.metric for each in trends}))
    kept: int = queries("trends").keep_trends(tx, as_of=as_of, rows=_json(list(map(_trend_row, trends.items()))))
    return kept


def _trend_row(kept: tuple[Looked, Trend]) -> Row:
    (series, grain), trend = kept
    level, change = trend.comparison.level, trend.comparison.change
    return {
        **series._asdict(),
        "grain": grain,
        "level": level.value,
        "low": level.low,
        "high": level.high,
        "n": level.n,
        "change": change and change.value,
        "change_low": change and change.low,
        "change_high": change and change.high,
        "p_value": trend.comparison.p_value,
        "compared_with": trend.comparison.compared_with,
        "is_significant": trend.is_significant,
    }


def record_change_points(tx: Transaction, found: Mapping[Series, Iterable[ChangePoint]]) -> int:
    """Write down change points, each once; return how many are new."""
    rows = [
        {
            **series._asdict(),
            "at": point.change.at,
            "before": point.before,
            "after": point.after,
            "detected_at": point.change.detected_at,
            "evidence": {"deviations": point.deviations},
        }
        for series, points in found.items()
        for point in points
    ]
    recorded: int = queries("trends").record_change_points(tx, rows=_json(rows))
    return recorded


def newest_trends(tx: Transaction, metric: str | None, *, everything: bool) -> list[Row]:
    """Return how metrics stand at the newest time they were looked at; significant changes alone or ``everything``."""
    return [dict(row) for row in queries("trends").newest_trends(tx, metric=metric, everything=everything)]


def newest_change_points(tx: Transaction, metric: str | None, since: datetime) -> list[Row]:
    """Return the change points detected from ``since`` on, the newest first."""
    return [dict(row) for row in queries("trends").newest_change_points(tx, metric=metric, since=since)]


def _series(row: Mapping[str, Any]) -> Series:
    return Series(*(row[name] for name in Series._fields))


def _json(rows: list[Row]) -> str:
    return msgspec.json.encode(rows).decode()
