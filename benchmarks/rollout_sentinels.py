"""Faults that need no label: what sentinels find within 300 conversations that the challenger answered."""

from collections.abc import Callable

import numpy as np

from benchmarks.trend_floors import HOURS
from ml_pipeline.models.rollouts.evidence import Booleans, Counts, Differences, Faults, Numbers, Shifts
from ml_pipeline.models.rollouts.rules import Rules
from ml_pipeline.models.rollouts.sentinels import SHIFT_FLOOR, fault_alarms, shift_alpha, shift_path

SHARE = 0.05
CALLS = 300
CORRELATION = 0.9
ERRORS, FALLBACKS, SLOW = 0.005, 0.01, 0.01
SPREAD = 0.5
"""Of the logarithm of the champion's latency; its 99th percentile lies at exp(2.326 * SPREAD) of the median."""
P99 = np.exp(2.326 * SPREAD)

Latency = Callable[[np.random.Generator, int], Numbers]


def as_slow(random: np.random.Generator, calls: int) -> Numbers:
    return np.asarray(np.exp(SPREAD * random.standard_normal(calls)))


def all_slower(random: np.random.Generator, calls: int) -> Numbers:
    """Every answer takes five times as long."""
    return 5 * as_slow(random, calls)


def wider(random: np.random.Generator, calls: int) -> Numbers:
    """The median stays; the 99th percentile is five times as high."""
    spread = SPREAD + np.log(5) / 2.326
    return np.asarray(np.exp(spread * random.standard_normal(calls)))


def slow_path(random: np.random.Generator, calls: int) -> Numbers:
    """One answer in fifty takes another way, at about five times the old 99th percentile; so is the new one."""
    is_slow = random.random(calls) < 0.02
    return np.where(is_slow, 5 * P99 * np.exp(0.2 * random.standard_normal(calls)), as_slow(random, calls))


def calls_to_stop_errors(random: np.random.Generator, rules: Rules, now: float = 10 * ERRORS) -> float:
    """Return after how many of its calls the challenger is stopped; infinity: not within ``CALLS``.

    The fault shows only where a version answers for real: what else ran beside is not looked at.
    """
    drawn = _draw(random)
    failed = random.random(len(drawn)) < np.where(drawn, now, ERRORS)
    return _calls_to(drawn, fault_alarms("errors", _by_draw(drawn, failed), rules))


def calls_to_stop_slow(random: np.random.Generator, rules: Rules, latency: Latency) -> float:
    drawn = _draw(random)
    took = np.where(drawn, latency(random, len(drawn)), as_slow(random, len(drawn)))
    return _calls_to(drawn, fault_alarms("slow", _by_draw(drawn, took > P99), rules))


def calls_to_stop_shift(random: np.random.Generator, rules: Rules, by: float = 0.5) -> float:
    """Moved on the way from a shadow of ``rules.min_shadow`` conversations to serving.

    Only conversations that the challenger answered are compared, though both versions score every one.
    """
    shadow, since = np.ones(rules.min_shadow, dtype=int), np.ones(CALLS, dtype=int)
    shifts = Shifts(_differences(random, shadow), _differences(random, since, by))
    return _calls_to(np.ones(CALLS, dtype=np.bool_), shift_path(shifts, shift_alpha(rules, 1)) > SHIFT_FLOOR)


def calls_to_stop_errors_in_shadow(random: np.random.Generator, rules: Rules, calls: int = 3_000) -> float:
    """Return after how many conversations that both scored: one against one, nobody heard the challenger."""
    ours, theirs = random.random(calls) < 10 * ERRORS, random.random(calls) < ERRORS
    faults = Faults((ours & ~theirs).astype(int), (theirs & ~ours).astype(int), np.full(calls, 0.5))
    return _calls_to(np.ones(calls, dtype=np.bool_), fault_alarms("errors", faults, rules))


def stops_the_harmless(random: np.random.Generator, rules: Rules, days: int, calls_a_month: int) -> bool:
    """Return whether any sentinel stops an equal challenger within ``days``; hours are the stretches."""
    hourly = calls_a_month / 30 * HOURS / HOURS.sum()
    calls = random.poisson(np.tile(hourly, days) * random.gamma(10, 0.1, days * 24))
    even, share = np.full(len(calls), 0.5), np.full(len(calls), SHARE)
    pairs = {
        name: Faults(random.binomial(calls, rate), random.binomial(calls, rate), even)
        for name, rate in (("errors", ERRORS), ("slow", SLOW))
    }
    drawn = random.binomial(calls, SHARE)
    fell_back = (random.binomial(drawn, FALLBACKS), random.binomial(calls - drawn, FALLBACKS))
    of_draw = {"fallbacks": Faults(*fell_back, share)}
    if any(fault_alarms(name, faults, rules).any() for name, faults in (pairs | of_draw).items()):
        return True
    shadow = np.searchsorted(np.cumsum(calls), rules.min_shadow) + 1
    shifts = Shifts(_differences(random, calls[:shadow]), _differences(random, calls[shadow:]))
    return bool((shift_path(shifts, shift_alpha(rules, 1)) > SHIFT_FLOOR).any())


def _draw(random: np.random.Generator) -> Booleans:
    """Return who was drawn, until the challenger had its calls."""
    drawn = random.random(int(2 * CALLS / SHARE)) < SHARE
    return drawn[: int(np.flatnonzero(drawn)[CALLS - 1]) + 1]


def _by_draw(drawn: Booleans, went_wrong: Booleans) -> Faults:
    return Faults((drawn & went_wrong).astype(int), (~drawn & went_wrong).astype(int), np.full(len(drawn), SHARE))


def _calls_to(drawn: Booleans, alarms: Booleans) -> float:
    place = np.flatnonzero(alarms)
    return float(drawn[: place[0] + 1].sum()) if len(place) else np.inf


def _differences(random: np.random.Generator, calls: Counts, by: float = 0.0) -> Differences:
    of = np.repeat(np.arange(len(calls)), calls)
    theirs = random.standard_normal(len(of))
    ours = CORRELATION * theirs + np.sqrt(1 - CORRELATION**2) * random.standard_normal(len(of)) + by

    def sums(values: Numbers) -> Numbers:
        return np.bincount(of, values, len(calls))

    difference = ours - theirs
    return Differences(calls, sums(difference), sums(difference**2), sums(theirs), sums(theirs**2))
