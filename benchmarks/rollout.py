"""``make bench-rollout``: how soon a rollout stops what does harm, and how rarely what does none.

Every look is one of the functions that the watch uses, as often as a conversation comes of age. A month has 30 days and
begins with the canary, at 5 %; shadow serves nobody. Sales are known after four days in the mean and counted at seven:
base .11 is the share known by then. ``ML_PIPELINE_BENCH_ROLLOUTS`` makes fewer runs (200; five times as many for what
is to be rare). Names of groups as arguments run those alone: ``technical sales harmless doubling injected``.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from benchmarks import rollout_injected
from benchmarks.claims import Claim, at_least, at_most, told, write
from benchmarks.rollout_floor import WINDOW_DAYS, Course, Floor, always, make_calls, rollout
from benchmarks.rollout_sentinels import (
    CALLS,
    all_slower,
    calls_to_stop_errors,
    calls_to_stop_errors_in_shadow,
    calls_to_stop_shift,
    calls_to_stop_slow,
    slow_path,
    stops_the_harmless,
    wider,
)
from ml_pipeline.models.rollouts.rules import Rules

RUNS = int(os.environ.get("ML_PIPELINE_BENCH_ROLLOUTS", "200"))
MANY = 5 * RUNS
SEED = 2_026
"""Nothing was chosen by its runs: stakes and shares of errors were settled on others."""
RULES = Rules()
MONTH_PERCENT = 5
TWO_MONTHS = 60
KNOWN_BY_WINDOW = 1 - np.exp(-WINDOW_DAYS / 4)
"""Share of sales known at seven days where their delay is exponential with a mean of four."""


def technical() -> Iterator[Claim]:
    """Faults that need no label, each at a share of 5 %."""
    for name, stopped_after in (
        ("errors .5 -> 5 %", calls_to_stop_errors),
        ("latency x 5 throughout", lambda random, rules: calls_to_stop_slow(random, rules, all_slower)),
        ("latency p99 x 5, median unchanged", lambda random, rules: calls_to_stop_slow(random, rules, wider)),
        ("score shifted by .5 sd after the shadow", calls_to_stop_shift),
    ):
        calls = _runs(stopped_after, 10 * RUNS)
        yield at_least(f"technical, {name}: stopped within {CALLS} challenger calls", [_percent(calls <= CALLS)], 99,
                       "% of runs", _spread("calls", calls))  # fmt: skip
    calls = _runs(lambda random, rules: calls_to_stop_slow(random, rules, slow_path), RUNS)
    yield told(f"technical, one answer in fifty at five times the p99: stopped within {CALLS} challenger calls",
               [_percent(calls <= CALLS)], "% of runs", _spread("calls", calls))  # fmt: skip
    calls = _runs(calls_to_stop_errors_in_shadow, RUNS)
    yield told(f"technical, errors .5 -> 5 %: stopped in shadow within {CALLS} conversations that both scored",
               [_percent(calls <= CALLS)], "% of runs", _spread("conversations", calls))  # fmt: skip


def sales() -> Iterator[Claim]:
    """Fewer sales, nothing else wrong: what was given to the challenger by the time it was taken back."""
    for name, floor in (
        ("-50 %, 20,000 calls a month", _harmful(20_000, 0.5)),
        ("-30 %, 50,000 calls a month", _harmful(50_000, 0.7)),
    ):
        percent, courses = _percent_served(floor)
        yield at_least(f"sales {name}: taken back before {MONTH_PERCENT} % of the month's calls were the challenger's",
                       [_percent(percent < MONTH_PERCENT)], 95, "% of runs", _told_of(percent, courses))  # fmt: skip
    for name, floor in (
        ("-30 %, 10,000 calls a month", _harmful(10_000, 0.7)),
        ("-30 %, 50,000 calls a month, .11 ever and .091 known at seven days",
         _harmful(50_000, 0.7, rate=0.11 * KNOWN_BY_WINDOW)),
    ):  # fmt: skip
        percent, courses = _percent_served(floor)
        yield told(f"sales {name}: taken back before {MONTH_PERCENT} % of the month's calls were the challenger's",
                   [_percent(percent < MONTH_PERCENT)], "% of runs", _told_of(percent, courses))  # fmt: skip


def harmless() -> Iterator[Claim]:
    """An equal challenger, and a better one."""
    courses = _courses(Floor(50_000, days=120), MANY)
    by_sales = np.array([course.ended == "taken back" for course in courses])
    by_sentinel = np.array(
        [
            stops_the_harmless(np.random.default_rng([SEED, run, 1]), RULES, max(int(course.at), 1), 50_000)
            for run, course in enumerate(courses)
        ]
    )
    peers = {
        "by_sales_or_quality_percent": _percent(by_sales),
        "by_a_sentinel_percent": _percent(by_sentinel),
        "promoted_percent": _percent(_ended(courses, "promoted")),
        "claimed_to_sell_more_percent": _percent(np.array([course.is_superior for course in courses])),
        "days_to_promotion": float(np.median([course.at for course in courses if course.ended == "promoted"])),
    }
    yield at_most(f"harmless, equal challenger, 50,000 calls a month: stopped over the whole rollout, {MANY:,} runs",
                  [_percent(by_sales | by_sentinel)], 5, "% of runs", peers)  # fmt: skip
    courses = _courses(Floor(50_000, ratio=always(1.2), loss=-0.003), RUNS)
    reached = np.array([course.reached[1] if len(course.reached) > 1 else np.inf for course in courses])
    peers = _spread("days", reached) | {"claimed_to_sell_more_percent": _percent(
        np.array([course.is_superior for course in courses]))}  # fmt: skip
    yield at_least("harmless, +20 % sales, 50,000 calls a month: reaches 25 % within two months, shadow included",
                   [_percent(reached <= TWO_MONTHS)], 80, "% of runs", peers)  # fmt: skip


def doubling() -> Iterator[Claim]:
    """Conversion doubles within two months, for both alike."""
    floor = Floor(50_000, rate=lambda day: 0.11 * (1 + np.minimum(day / TWO_MONTHS, 1)), days=120)
    courses = _courses(floor, MANY)
    claimed = np.array([course.is_superior and course.ended == "promoted" for course in courses])
    name = f"conversion doubles, equal models, {MANY:,} runs"
    yield at_most(f"{name}: rolled back", [_percent(_ended(courses, "taken back"))], 5, "% of runs")
    yield at_most(f"{name}: promoted on business effect", [_percent(claimed)], 5, "% of runs",
                  {"promoted_percent": _percent(_ended(courses, "promoted"))})  # fmt: skip


GROUPS: Mapping[str, Callable[[], Iterator[Claim]]] = {
    "technical": technical,
    "sales": sales,
    "harmless": harmless,
    "doubling": doubling,
    "injected": rollout_injected.claims,
}


def _harmful(calls_a_month: int, ratio: float, rate: float = 0.11) -> Floor:
    return Floor(calls_a_month, always(rate), always(ratio), days=75)


def _courses(floor: Floor, runs: int) -> list[Course]:
    return [rollout(make_calls(floor, np.random.default_rng([SEED, run])), RULES) for run in range(runs)]


def _percent_served(floor: Floor) -> tuple[np.ndarray, list[Course]]:
    """Return the percentage of a month's calls that the challenger had when taken back; infinite where it was not."""
    courses = _courses(floor, RUNS)
    percent = [
        100 * course.served / floor.calls_a_month if course.ended == "taken back" else np.inf for course in courses
    ]
    return np.array(percent), courses


def _told_of(percent: np.ndarray, courses: Sequence[Course]) -> dict[str, float]:
    days = np.array([course.at - course.reached[0] if course.ended == "taken back" else np.inf for course in courses])
    return _spread("percent_of_the_month", percent) | _spread("days_of_canary", days)


def _runs(measure: Callable[[np.random.Generator, Rules], float], runs: int) -> np.ndarray:
    return np.array([measure(np.random.default_rng([SEED, run]), RULES) for run in range(runs)])


def _ended(courses: Sequence[Course], how: str) -> np.ndarray:
    return np.array([course.ended == how for course in courses])


def _percent(holds: np.ndarray) -> float:
    return 100 * float(np.mean(holds))


def _spread(name: str, values: np.ndarray) -> dict[str, float]:
    """Return quantiles of those that ended, as peers, and how many did."""
    ended = values[np.isfinite(values)]
    quantiles = {f"{name}_p{at}": float(np.percentile(ended, at)) for at in (5, 50, 95, 100) if len(ended)}
    return quantiles | {"ever_percent": _percent(np.isfinite(values))}


def main(names: list[str]) -> None:
    write("-".join(("rollout", *names)), (claim for name in names or GROUPS for claim in GROUPS[name]()))


if __name__ == "__main__":
    main(sys.argv[1:])
