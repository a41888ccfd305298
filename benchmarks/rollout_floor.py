"""Rollouts on floors that never were: conversations as arrays, with what is true of champion and challenger known.

Traffic has its hours, weekdays and busy days; rates have hours and moods of days. A course is judged by the functions
the watch uses, after every conversation that comes of age, and acted on at the next quarter of an hour.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.trend_floors import HOURS, WEEKDAYS
from ml_pipeline.models.rollouts.evidence import Booleans, Numbers, Scored, Started
from ml_pipeline.models.rollouts.quality import bounds_of
from ml_pipeline.models.rollouts.rules import Rules
from ml_pipeline.models.rollouts.sales import harm_path, noninferiority_path, superiority_path

WINDOW_DAYS = 7.0
LOOKS_A_DAY = 96
MONTH_DAYS = 30

OfDay = Callable[[Numbers], Numbers]


def always(value: float) -> OfDay:
    return lambda day: np.full(len(day), value)


@dataclass(frozen=True)
class Floor:
    """What is true, by days since the rollout began.

    ``rate``: the share the champion sells, known within the window. ``ratio``: how many times as much the challenger
    does. ``loss``: by how much its log loss is higher, in the mean of conversations that differ by ``loss_spread``.
    """

    calls_a_month: int
    rate: OfDay = field(default_factory=lambda: always(0.11))
    ratio: OfDay = field(default_factory=lambda: always(1.0))
    loss: float = 0.0
    loss_spread: float = 0.12
    days: int = 90
    day_mood: float = 0.1
    hour_cycle: float = 0.25


@dataclass(frozen=True)
class Calls:
    """Conversations in order of start. ``draw``: where each lies in [0, 1); below the share it is the challenger's."""

    day: Numbers
    draw: Numbers
    chance: Numbers
    luck: Numbers
    ratio: Numbers
    extra_loss: Numbers


@dataclass(frozen=True)
class Course:
    """How a rollout went. Times in days since it began; ``reached``: when each step of the canary began.

    ``served``: conversations the challenger had been given by the end.
    """

    ended: str
    at: float
    reached: tuple[float, ...]
    served: int
    is_superior: bool


def make_calls(floor: Floor, random: np.random.Generator) -> Calls:
    """Return the conversations of a floor: an overdispersed number a day, most in the afternoon of weekdays."""
    days = np.arange(floor.days)
    expected = floor.calls_a_month / MONTH_DAYS * WEEKDAYS[days % 7] / WEEKDAYS.mean()
    hourly = expected[:, None] * HOURS / HOURS.sum() * random.gamma(20, 1 / 20, (floor.days, 1))
    counts = random.poisson(hourly * random.gamma(10, 1 / 10, hourly.shape)).ravel()
    hour = np.repeat(np.arange(counts.size), counts)
    day = np.sort((hour + random.random(len(hour))) / 24)
    mood = np.exp(floor.day_mood * random.standard_normal(floor.days) - floor.day_mood**2 / 2)[day.astype(int)]
    cycle = 1 + floor.hour_cycle * np.sin(2 * np.pi * day)
    cycle /= cycle.mean()
    return Calls(
        day,
        random.random(len(day)),
        floor.rate(day) * mood * cycle,
        random.random(len(day)),
        floor.ratio(day),
        floor.loss + floor.loss_spread * random.standard_normal(len(day)),
    )


def rollout(calls: Calls, rules: Rules, *, in_shadow: bool = True) -> Course:
    """Play shadow and canary to the end, or as far as the calls go."""
    began = _shadow_ends(calls, rules) if in_shadow else 0.0
    share = np.where(calls.day >= began, rules.steps[0].share, 0.0)
    reached: list[float] = [began]
    while True:
        course = _step(calls, share, rules, tuple(reached))
        if course.ended != "advanced":
            return course
        reached.append(course.at)
        share = np.where(calls.day >= course.at, rules.steps[len(reached) - 1].share, share)


def _shadow_ends(calls: Calls, rules: Rules) -> float:
    bounds = bounds_of(_scored(calls, np.zeros(len(calls.day)), np.zeros(len(calls.day), dtype=np.bool_)), rules)
    passed = np.flatnonzero((bounds.high <= rules.quality_margin) & (np.arange(len(calls.day)) >= rules.min_shadow))
    return _next_look(calls.day[passed[0]] + WINDOW_DAYS) if len(passed) else np.inf


def _step(calls: Calls, share: Numbers, rules: Rules, reached: tuple[float, ...]) -> Course:
    """Return how the step that runs ends: advanced, promoted, taken back, or running still at the end of the calls."""
    known = calls.day + WINDOW_DAYS
    last = calls.day[-1] if len(calls.day) else 0.0
    is_challenger = calls.draw < share
    is_sold = (share > 0) & (calls.luck < calls.chance * np.where(is_challenger, calls.ratio, 1.0))
    at = np.flatnonzero(is_sold)
    started = Started(is_challenger[at], share[at], is_sold[at])  # who was not sold moves no evidence
    bounds = bounds_of(_scored(calls, share, is_challenger), rules)
    harm = min(_first(known[at], harm_path(started) >= -np.log(rules.sales_alpha)), _first(known, bounds.low > 0))
    step = rules.steps[len(reached) - 1]
    is_enough = np.cumsum(is_challenger & (calls.day >= reached[-1])) >= step.min_matured
    passed = noninferiority_path(started, rules.sales_margin) >= -np.log(rules.false_advance)
    is_fit = is_enough[at] & passed & (bounds.high[at] <= rules.quality_margin) & (known[at] >= reached[-1])
    advance = _first(known[at], is_fit)
    ends = min(harm, advance, last)
    if ends == last:
        ended = "running"
    elif harm <= advance:
        ended = "taken back"
    else:
        ended = "advanced" if len(reached) < len(rules.steps) else "promoted"
    seen = superiority_path(started)[known[at] <= ends]
    is_superior = bool(seen.size and seen.max() >= -np.log(rules.false_superiority))
    return Course(ended, ends, reached, int((is_challenger & (calls.day < ends)).sum()), is_superior)


def _scored(calls: Calls, share: Numbers, is_challenger: Booleans) -> Scored:
    weight = 1 / np.where(is_challenger, share, 1 - share)
    nobody = np.zeros(len(share))
    return Scored(np.arange(len(share)), weight, calls.extra_loss, nobody)


def _first(day: Numbers, holds: NDArray[np.bool_]) -> float:
    """Return the first look after the first moment at which it held."""
    place = np.flatnonzero(holds)
    return _next_look(float(day[place[0]])) if len(place) else np.inf


def _next_look(day: float) -> float:
    return float(np.ceil(day * LOOKS_A_DAY) / LOOKS_A_DAY)
