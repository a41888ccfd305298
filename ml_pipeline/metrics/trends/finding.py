from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from ml_pipeline.database.engine import Transaction
from ml_pipeline.metrics.catalogue import CATALOGUE
from ml_pipeline.metrics.trends import store
from ml_pipeline.metrics.trends.change_points import find_change_points
from ml_pipeline.metrics.trends.day_noise import WEEKS
from ml_pipeline.metrics.trends.family import family_trends
from ml_pipeline.metrics.trends.selection import Family, family_of, main_kinds, whole_kinds
from ml_pipeline.metrics.trends.series import WEEK, Day, Series

BEGINNING = datetime.min.replace(tzinfo=UTC)
UNITS = {metric.name: metric.unit for metric in CATALOGUE.values()}

History = Mapping[Series, Sequence[Day]]


def find(tx: Transaction, as_of: datetime, *, late_tasks: frozenset[str], settling: timedelta) -> dict[str, int]:
    """Keep the trends at ``as_of`` and record new change points; return how many of each.

    Metrics of the sale, and those of ``late_tasks``, are looked at as of ``settling`` earlier: before that the newest
    days would always look worse.
    """
    whole = store.read_days(tx, whole_kinds(), BEGINNING, as_of)
    main = store.read_days(tx, main_kinds(), as_of - settling - (WEEKS + 1) * WEEK, as_of)
    known = store.known_changes(tx)
    counts = Counter(trends=0, significant=0, change_points=0)
    for family, members in _families({**main, **whole}, late_tasks).items():
        until = as_of - settling if family.settles_late else as_of
        trends = family_trends(members, until)
        settled = {
            series: [day for day in days if day.at < until] for series, days in members.items() if series in whole
        }
        counts["trends"] += store.keep_trends(tx, until, trends)
        counts["significant"] += sum(trend.is_significant for trend in trends.values())
        counts["change_points"] += store.record_change_points(tx, find_change_points(settled, UNITS, known))
    return dict(counts)


def _families(series: History, late_tasks: frozenset[str]) -> Mapping[Family, History]:
    families = defaultdict[Family, dict[Series, Sequence[Day]]](dict)
    for each, days in series.items():
        families[family_of(each, late_tasks)][each] = days
    return families
