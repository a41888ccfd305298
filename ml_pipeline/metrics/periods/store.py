"""The statements that merge hours into days and weeks. Nothing here commits."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries
from ml_pipeline.metrics.metric import Bounded, Compound, Figure, Mean, MeanOverAll, Merge, Metric, Quantile, Unit

MERGES: Mapping[type[Merge], str] = {Mean: "mean", MeanOverAll: "mean_over_all", Quantile: "quantile"}


class Group(NamedTuple):
    """The rows of one metric of one period that differ in their slice only."""

    grain: str
    period_start: datetime
    task: str
    mode: str
    version: str


class Parts(NamedTuple):
    """What a compound metric of a group is made of: figures by slice, and of how many hours the fullest is."""

    slices: dict[str, Figure]
    hours: int


def merge(tx: Transaction, metrics: Iterable[Metric]) -> int:
    """Make the days and weeks of the rolled hours again, in place of what was there; return how many rows."""
    named = queries("periods")
    described = _describe(metrics)
    named.span_periods(tx)
    named.forget_periods(tx)
    named.gather_hours(tx)
    rows = _merge_grain(tx, "day", described)
    named.gather_days(tx)
    return rows + _merge_grain(tx, "week", described)


def _merge_grain(tx: Transaction, grain: str, described: str) -> int:
    named = queries("periods")
    means: int = named.merge_means(tx, grain=grain, metrics=described)
    quantiles: int = named.merge_quantiles(tx, grain=grain, metrics=described)
    return means + quantiles


def _describe(metrics: Iterable[Metric]) -> str:
    return msgspec.json.encode(
        [
            {
                "name": metric.name,
                "merge": MERGES[type(metric.merge)],
                "is_share": metric.unit is Unit.SHARE,
                **({"share": metric.merge.share, "of": metric.merge.of} if isinstance(metric.merge, Quantile) else {}),
            }
            for metric in metrics
        ]
    ).decode()


def control_arms(tx: Transaction) -> dict[str, str]:
    """Return the control arm of each experiment, by their names."""
    return {row["name"]: row["control"] for row in queries("periods").control_arms(tx)}


def merged_parts(tx: Transaction, metrics: Iterable[str]) -> dict[str, dict[Group, Parts]]:
    """Return the figures of these metrics in the merged periods, by metric."""
    found: dict[str, dict[Group, Parts]] = {}
    for row in queries("periods").merged_slices(tx, metrics=list(metrics)):
        group = Group(*(row[name] for name in Group._fields))
        known = found.setdefault(row["metric"], {}).setdefault(group, Parts({}, 0))
        known.slices[row["slice"]] = Figure(row["value"], row["n"], row["mean_square"])
        found[row["metric"]][group] = known._replace(hours=max(known.hours, row["hours"]))
    return found


def keep_compounds(tx: Transaction, made: Iterable[tuple[Compound, Group, int, dict[str, Bounded]]]) -> int:
    """Write the slices of compound metrics with the hours they are of; return how many rows."""
    rows: list[dict[str, Any]] = [
        {"metric": compound.name, **group._asdict(), "slice": name, "hours": hours, **asdict(bounded)}
        for compound, group, hours, slices in made
        for name, bounded in slices.items()
    ]
    kept: int = queries("periods").keep_compounds(tx, rows=msgspec.json.encode(rows).decode())
    return kept
