"""``make bench-facts ARGS=trends``: how often change points and trends are found that are none, and how soon real ones.

Each family is 26 weeks of days, as ``trend_floors`` simulates them.
"""

from collections.abc import Iterator, Sequence
from statistics import mean

import numpy as np

from benchmarks.claims import Claim, at_most
from benchmarks.trend_floors import KINDS, MONDAY, Kind, Step, family
from ml_pipeline.metrics.trends.change_points import find_change_points
from ml_pipeline.metrics.trends.family import family_trends
from ml_pipeline.metrics.trends.series import DAY

FAMILIES = 200
WEEKS = 26
LEARNT = 56
"""Days before a step."""
FOUND_WITHIN = 7
STEPS = {"accuracy": (0.70 / 0.75, "5 points lower"), "latency_mean": (1.2, "20 % higher")}


def claims() -> Iterator[Claim]:
    for kind in KINDS:
        yield _false_change_points(kind)
    for kind in KINDS:
        if kind.metric in STEPS:
            yield _days_to_detection(kind)
    for kind in KINDS:
        yield _false_trends(kind)


def _false_change_points(kind: Kind) -> Claim:
    found = [_change_points(kind, seed) for seed in range(FAMILIES)]
    correlated = [_change_points(kind, seed, correlation=0.3) for seed in range(FAMILIES // 4)]
    return at_most(
        f"false change points of {kind.metric} ({kind.series} series) in {WEEKS} weeks, a family",
        [mean(found)],
        1.0,
        unit="change points",
        peers={
            "families": FAMILIES,
            "of_them_with_more_than_one": sum(each > 1 for each in found),
            "mean_where_days_correlate_by_0.3": mean(correlated),
        },
    )


def _change_points(kind: Kind, seed: int, correlation: float = 0.0) -> int:
    floor = family(kind, seed, days=7 * WEEKS, correlation=correlation)
    return sum(map(len, find_change_points(floor, {kind.metric: kind.unit}, {}).values()))


def _days_to_detection(kind: Kind) -> Claim:
    factor, what = STEPS[kind.metric]
    waited = sorted(_days_until_found(kind, seed, Step(LEARNT, factor)) for seed in range(FAMILIES // 4))
    return at_most(
        f"days until {kind.metric} {what} is a change point, after {LEARNT} days without one",
        waited,
        FOUND_WITHIN,
        unit="days",
        peers={"p90_days": float(np.quantile(waited, 0.9)), "families": len(waited)},
    )


def _days_until_found(kind: Kind, seed: int, step: Step) -> float:
    floor = family(kind, seed, days=step.day + 4 * 7, step=step)
    points = find_change_points(floor, {kind.metric: kind.unit}, {}).get(next(iter(floor)), [])
    ends: Sequence[float] = [(point.change.detected_at - MONDAY) / DAY - step.day for point in points]
    return min((end for end in ends if end > 0), default=float("inf"))


def _false_trends(kind: Kind) -> Claim:
    floors = (family(kind, seed, days=7 * 8) for seed in range(FAMILIES))
    flagged = [
        any(each.is_significant for each in family_trends(floor, MONDAY + 7 * 8 * DAY).values()) for floor in floors
    ]
    return at_most(
        f"families of {kind.metric} with any significant trend where nothing changed",
        [mean(flagged)],
        0.05,
        unit="share",
    )
