"""The share of its sales that a conversation's age lets one know of, and how sure that share is."""

from dataclasses import dataclass

import numpy as np

from ml_pipeline.metrics.maturity.aalen_johansen import Floats, Incidence, cumulative_incidence
from ml_pipeline.metrics.maturity.cohorts import Reference

RESAMPLES = 400
"""Resampled references: 2,000 moved no bound of a 95 % interval by a hundredth of its width."""
SEED = 20


@dataclass(frozen=True, slots=True)
class DelayCurve:
    """``incidence`` of a reference; ``known``: F = CIF(a) / CIF(W) at whole hours.

    ``resampled`` is F again and has one row per reference of resampled days. ``dispersion``: how much more the days'
    shares of sold conversations vary than independent conversations would make them, 1 if not more.
    """

    conversations: int
    sales: int
    incidence: Incidence
    known: Floats
    resampled: Floats
    dispersion: float

    def unchanged(self) -> Floats:
        """Return P(no further change) of a conversation that is open at each whole hour of age: S(W) / S(a)."""
        still_open = self.incidence.open
        unchanged: Floats = np.divide(still_open[-1], still_open, out=np.ones_like(still_open), where=still_open > 0)
        return unchanged


def delay_curve(reference: Reference, *, resamples: int = RESAMPLES) -> DelayCurve:
    """Estimate F from a reference with sales, its uncertainty by a bootstrap over start days.

    Days are drawn whole: conversations of one day share its batch of CRM imports and its campaign. The same reference
    gives the same curve. Drawn days without any sale say nothing of their delay and are left out.

    Reference: B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8 (resampling of groups).
    """
    days = len(reference.started)
    drawn = np.random.default_rng(SEED).multinomial(days, np.full(days, 1 / days), size=resamples).astype(float)
    incidence = cumulative_incidence(
        reference.started.sum(), reference.sold.sum(axis=0), reference.lost.sum(axis=0), reference.left.sum(axis=0)
    )
    resampled = cumulative_incidence(
        drawn @ reference.started, drawn @ reference.sold, drawn @ reference.lost, drawn @ reference.left
    ).sold
    resampled = resampled[resampled[:, -1] > 0]
    return DelayCurve(
        reference.conversations,
        reference.sales,
        incidence,
        incidence.sold / incidence.sold[-1],
        resampled / resampled[:, -1:],
        _dispersion(reference),
    )


def _dispersion(reference: Reference) -> float:
    """Return Pearson's chi-square of the days' shares over its degrees of freedom, at least 1.

    Reference: P. McCullagh and J. Nelder, Generalized Linear Models, 1989, section 4.5.
    """
    sold, started = reference.sold.sum(axis=1), reference.started
    share = sold.sum() / started.sum()
    if len(started) < 2 or share >= 1:
        return 1.0
    squares = (sold - started * share) ** 2 / (started * share * (1 - share))
    return max(1.0, float(squares.sum() / (len(started) - 1)))
