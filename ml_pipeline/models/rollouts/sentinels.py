"""What needs no label: errors, fallbacks, slow answers, shifted scores. Each may stop a rollout within hours."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from ml_pipeline.models.rollouts.confidence import radius
from ml_pipeline.models.rollouts.draw import log_evidence, observed_ratio
from ml_pipeline.models.rollouts.evidence import Booleans, Differences, Faults, Numbers, Phase, Pulse, Shifts
from ml_pipeline.models.rollouts.rules import Rules

BUDGET: Mapping[str, float] = {"errors": 0.45, "fallbacks": 0.45, "slow": 0.05, "shift": 0.05}
"""Parts of the sentinels' error. Errors and fallbacks are rare events and need it; slowness and shifts show at once."""
MORE: Mapping[float, float] = {2.0: 0.1, 5.0: 0.9}
RATIO_FLOOR = 1.5
SHIFT_FLOOR = 0.25
"""In standard deviations of the champion's score: less than that is no fault, however sure it is."""
MIN_CALLS = 100
"""A bound that rests on the normal law is not looked at before."""
SMALLEST_SD = 0.01


@dataclass(frozen=True, slots=True)
class Sentinel:
    """``value``: a ratio of faults, or a shift in standard deviations; None where nothing can be said.

    ``evidence``, ``needed``: log evidence, or the shift that is certain and the one that is tolerated.
    """

    name: str
    is_harmful: bool
    value: float | None
    evidence: float
    needed: float

    def as_numbers(self) -> dict[str, object]:
        return asdict(self)


def judge_sentinels(phase: Phase, pulse: Pulse, rules: Rules) -> list[Sentinel]:
    """Return what each sentinel says; together they err with a chance of ``rules.sentinels_alpha``."""
    return [
        _of_faults("errors", pulse.errors, rules),
        _of_faults("fallbacks", pulse.fallbacks, rules),
        _of_faults("slow", pulse.slow, rules),
        *_of_shifts(phase, pulse.shifts, rules),
    ]


def fault_path(faults: Faults) -> Numbers:
    """Return the log evidence after each stretch that the challenger has more of these faults."""
    return log_evidence(*_counts(faults), faults.chance, null=1.0, alternatives=MORE)


def fault_alarms(name: str, faults: Faults, rules: Rules) -> Booleans:
    """Return after which stretches it was proven that there are more, and so many more that it matters."""
    ours, theirs = _counts(faults)
    is_proven = np.maximum.accumulate(fault_path(faults)) >= _needed(name, rules)
    is_large = np.cumsum(ours * (1 - faults.chance)) >= RATIO_FLOOR * np.cumsum(theirs * faults.chance)
    return np.asarray(is_proven & is_large)


def shift_path(shifts: Shifts, alpha: float) -> Numbers:
    """Return by how many standard deviations the score surely moved since the shadow, after each stretch; at least 0.

    Either way. Two means differ as one mean of ``1 / (1 / calls + 1 / calls in shadow)`` conversations errs: looks at
    them have its joint distribution (Jennison and Turnbull 1997), so that its bound holds at all of them.
    """
    shadow, since = _so_far(shifts.in_shadow), _so_far(shifts.since)
    if not shadow.calls.size or shadow.calls[-1] < MIN_CALLS:
        return np.zeros(since.calls.size)
    calls, before = np.maximum(since.calls, 1), shadow.calls[-1]
    worth = 1 / (1 / calls + 1 / before)
    variance = worth * (since.variance / calls + shadow.variance[-1] / before)
    certain = np.abs(since.mean - shadow.mean[-1]) - radius(worth, variance, alpha / 2)
    return np.where(since.calls >= MIN_CALLS, np.maximum(certain, 0) / since.spread, 0)


def shift_alpha(rules: Rules, labels: int) -> float:
    """Return the error of the shift of each label."""
    return rules.sentinels_alpha * BUDGET["shift"] / labels


def _of_faults(name: str, faults: Faults, rules: Rules) -> Sentinel:
    alarms, path = fault_alarms(name, faults, rules), fault_path(faults)
    evidence = float(path.max()) if path.size else 0.0
    ratio = observed_ratio(*_counts(faults), faults.chance)
    return Sentinel(name, bool(alarms[-1:].any()), ratio, evidence, _needed(name, rules))


def _of_shifts(phase: Phase, shifts: Mapping[str, Shifts], rules: Rules) -> Iterator[Sentinel]:
    """In shadow and holdback a shift is told and is no harm: a market that turns moves scores, and labels decide."""
    for label, shift in shifts.items():
        path = shift_path(shift, shift_alpha(rules, len(shifts)))
        certain = float(path.max()) if path.size else 0.0
        is_harmful = phase == "canary" and certain > SHIFT_FLOOR
        yield Sentinel(f"shift of {label}", is_harmful, _observed_shift(phase, shift), certain, SHIFT_FLOOR)


def _counts(faults: Faults) -> tuple[Numbers, Numbers]:
    return faults.challenger.astype(float), faults.champion.astype(float)


def _needed(name: str, rules: Rules) -> float:
    return -float(np.log(rules.sentinels_alpha * BUDGET[name]))


def _observed_shift(phase: Phase, shifts: Shifts) -> float | None:
    shadow, since = _so_far(shifts.in_shadow), _so_far(shifts.since)
    told = shadow if phase == "shadow" else since
    if not told.calls.size:
        return None
    expected = 0.0 if phase == "shadow" or not shadow.calls.size else shadow.mean[-1]
    return float((told.mean[-1] - expected) / told.spread[-1])


@dataclass(frozen=True, slots=True, eq=False)
class _SoFar:
    """After each stretch: mean and variance of the difference, and how far the champion's scores spread."""

    calls: Numbers
    mean: Numbers
    variance: Numbers
    spread: Numbers


def _so_far(differences: Differences) -> _SoFar:
    calls = np.cumsum(differences.calls).astype(float)
    mean, variance = _moments(calls, differences.total, differences.squares)
    _, of_champion = _moments(calls, differences.champion_total, differences.champion_squares)
    return _SoFar(calls, mean, variance, np.maximum(np.sqrt(of_champion), SMALLEST_SD))


def _moments(calls: Numbers, totals: Numbers, squares: Numbers) -> tuple[Numbers, Numbers]:
    """Return mean and variance so far."""
    seen = np.maximum(calls, 1)
    mean = np.cumsum(totals) / seen
    return mean, np.maximum(np.cumsum(squares) / seen - mean**2, 0)
