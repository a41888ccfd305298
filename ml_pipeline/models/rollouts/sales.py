"""The business effect: sales of conversations assigned to the challenger, against those assigned to the champion."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml_pipeline.models.rollouts.draw import log_evidence, log_evidence_of_change, observed_ratio
from ml_pipeline.models.rollouts.evidence import Booleans, Numbers, Started
from ml_pipeline.models.rollouts.rules import Rules

FEWER: Mapping[float, float] = {0.85: 0.1, 0.7: 0.6, 0.5: 0.3}
"""Ratios of sales that the test for harm bets on, and how much on each: most on what can just be seen in time."""
NOT_FEWER: Mapping[float, float] = {1.0: 0.4, 1.15: 0.3, 1.35: 0.3}
MORE: Mapping[float, float] = {1.1: 0.4, 1.25: 0.4, 1.5: 0.2}


@dataclass(frozen=True, slots=True)
class SalesFinding:
    """``ratio``: sales per conversation, challenger's over champion's, by strata; None while the champion has none.

    ``is_superior`` is a claim of its own: nothing but promotion on business effect rests on it.
    """

    is_harmful: bool
    is_noninferior: bool
    is_superior: bool
    ratio: float | None
    numbers: Mapping[str, Any]


def judge_sales(started: Started, rules: Rules) -> SalesFinding:
    """Test for harm, for non-inferiority and for superiority, each at its own error over the whole rollout.

    Harm and superiority stand once they were ever proven; that sales are not inferior must hold now.
    """
    harm = _highest(harm_path(started))
    noninferiority = _last(noninferiority_path(started, rules.sales_margin))
    superiority = _highest(superiority_path(started))
    challenger, champion = _sold(started)
    ratio = observed_ratio(challenger, champion, started.share)
    numbers = {
        "ratio": ratio,
        "margin": rules.sales_margin,
        "harm": {"log_evidence": harm, "needed": -math.log(rules.sales_alpha)},
        "noninferiority": {"log_evidence": noninferiority, "needed": -math.log(rules.false_advance)},
        "superiority": {"log_evidence": superiority, "needed": -math.log(rules.false_superiority)},
        "strata": strata(started),
    }
    return SalesFinding(
        is_harmful=bool(harm >= -np.log(rules.sales_alpha)),
        is_noninferior=bool(noninferiority >= -np.log(rules.false_advance)),
        is_superior=bool(superiority >= -np.log(rules.false_superiority)),
        ratio=ratio,
        numbers=numbers,
    )


def harm_path(started: Started) -> Numbers:
    """Return the log evidence after each conversation that the challenger sells less, from the start or from later."""
    return log_evidence_of_change(*_sold(started), started.share, null=1.0, alternatives=FEWER)


def noninferiority_path(started: Started, margin: float) -> Numbers:
    """Return the log evidence that it sells more than ``1 - margin`` times as much."""
    return log_evidence(*_sold(started), started.share, null=1 - margin, alternatives=NOT_FEWER)


def superiority_path(started: Started) -> Numbers:
    """Return the log evidence that it sells more."""
    return log_evidence(*_sold(started), started.share, null=1.0, alternatives=MORE)


def strata(started: Started) -> list[dict[str, float]]:
    """Return conversations and sales of both by the challenger's share: what was compared, never summed over shares."""
    return [{"share": float(share), **_counts(started, started.share == share)} for share in np.unique(started.share)]


def _counts(started: Started, at: Booleans) -> dict[str, int]:
    ours, theirs = at & started.is_challenger, at & ~started.is_challenger
    return {
        "challenger_conversations": int(ours.sum()),
        "challenger_sold": int((ours & started.is_sold).sum()),
        "champion_conversations": int(theirs.sum()),
        "champion_sold": int((theirs & started.is_sold).sum()),
    }


def _sold(started: Started) -> tuple[Numbers, Numbers]:
    is_sold = started.is_sold
    return (is_sold & started.is_challenger).astype(float), (is_sold & ~started.is_challenger).astype(float)


def _highest(path: Numbers) -> float:
    return float(path.max()) if path.size else 0.0


def _last(path: Numbers) -> float:
    return float(path[-1]) if path.size else 0.0
