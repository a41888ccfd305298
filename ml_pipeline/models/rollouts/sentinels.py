"""What needs no label: errors, fallbacks, slow answers, shifted scores. Each may stop a rollout within hours."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from ml_pipeline.models.rollouts.confidence import radius
from ml_pipeline.models.rollouts.draw import log_evidence, observed_ratio
from ml_pipeline.models.rollouts.evidence import Booleans, Faults, Numbers, Pulse, Shifts
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


def judge_sentinels(pulse: Pulse, rules: Rules) -> list[Sentinel]:
    """Return what each sentinel says; together they err with a chance of ``rules.sentinels_alpha``."""
    return [
        _of_faults("errors", pulse.errors, rules),
        _of_faults("fallbacks", pulse.fallbacks, rules),
        _of_faults("slow", pulse.slow, rules),
        *_of_shifts(pulse.shifts, rules),
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
    """Return by how many standard deviations the score is surely shifted after each stretch, either way; at least 0."""
    calls = np.cumsum(shifts.calls).astype(float)
    shift, variance = _moments(calls, shifts.total, shifts.squares)
    certain = np.abs(shift - shifts.expected) - radius(calls, variance, alpha / 2)
    return np.where(calls >= MIN_CALLS, np.maximum(certain, 0) / _spread(calls, shifts), 0)


def shift_alpha(rules: Rules, labels: int) -> float:
    """Return the error of the shift of each label."""
    return rules.sentinels_alpha * BUDGET["shift"] / labels


def _of_faults(name: str, faults: Faults, rules: Rules) -> Sentinel:
    alarms, path = fault_alarms(name, faults, rules), fault_path(faults)
    evidence = float(path.max()) if path.size else 0.0
    ratio = observed_ratio(*_counts(faults), faults.chance)
    return Sentinel(name, bool(alarms[-1:].any()), ratio, evidence, _needed(name, rules))


def _of_shifts(shifts: Mapping[str, Shifts], rules: Rules) -> Iterator[Sentinel]:
    for label, shift in shifts.items():
        path = shift_path(shift, shift_alpha(rules, len(shifts)))
        certain = float(path.max()) if path.size else 0.0
        yield Sentinel(f"shift of {label}", certain > SHIFT_FLOOR, _observed_shift(shift), certain, SHIFT_FLOOR)


def _counts(faults: Faults) -> tuple[Numbers, Numbers]:
    return faults.challenger.astype(float), faults.champion.astype(float)


def _needed(name: str, rules: Rules) -> float:
    return -float(np.log(rules.sentinels_alpha * BUDGET[name]))


def _observed_shift(shifts: Shifts) -> float | None:
    calls = np.cumsum(shifts.calls).astype(float)
    if not calls.size or not calls[-1]:
        return None
    mean, _ = _moments(calls, shifts.total, shifts.squares)
    return float((mean[-1] - shifts.expected) / _spread(calls, shifts)[-1])


def _spread(calls: Numbers, shifts: Shifts) -> Numbers:
    _, variance = _moments(calls, shifts.champion_total, shifts.champion_squares)
    return np.maximum(np.sqrt(variance), SMALLEST_SD)


def _moments(calls: Numbers, totals: Numbers, squares: Numbers) -> tuple[Numbers, Numbers]:
    """Return mean and variance so far."""
    seen = np.maximum(calls, 1)
    mean = np.cumsum(totals) / seen
    return mean, np.maximum(np.cumsum(squares) / seen - mean**2, 0)
