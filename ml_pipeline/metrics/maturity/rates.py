"""What a window of conversations has come to, what it will have come to, and why where that cannot be said."""

from collections.abc import Mapping
from dataclasses import dataclass

from ml_pipeline.metrics.maturity.aalen_johansen import Floats
from ml_pipeline.metrics.maturity.cohorts import POOLED, Reference, Window
from ml_pipeline.metrics.maturity.corrected_rate import corrected_rate, mature_rate, mean_known
from ml_pipeline.metrics.maturity.delay_curve import DelayCurve, delay_curve
from ml_pipeline.metrics.maturity.revenue import Revenue, kept_share, revenue
from ml_pipeline.vocabulary.estimate import Estimate

MIN_CONVERSATIONS = 500
MIN_SALES = 50
MIN_DAYS = 14
"""What a reference needs: with fewer, resampled days say too little of how sure its curve is."""
MIN_KNOWN = 0.05
"""Share of its sales a window must let one know of: below, the corrected rate is mostly noise."""


@dataclass(frozen=True, slots=True)
class Correction:
    """The corrected ``rate``, by the curve of the slice ``curve``, None where all are mature.

    ``known``: the share of its sales that the window lets one know of. ``settled``: the expected share of its
    conversations of which nothing more will be learnt.
    """

    rate: Estimate
    known: float
    settled: float
    curve: str | None


@dataclass(frozen=True, slots=True)
class MaturedRate:
    """``correction`` is None where there can be none; ``reason`` then says why."""

    conversations: int
    mature: int
    sold: int
    correction: Correction | None
    reason: str | None
    revenue: Mapping[str, Revenue]
    is_provisional: bool

    @property
    def naive(self) -> float:
        return self.sold / self.conversations


@dataclass(frozen=True, slots=True)
class Learnt:
    """Delay curves and kept shares by slice, and what the pooled reference lacks if anything."""

    curves: Mapping[str, DelayCurve]
    kept: Mapping[str, Floats]
    lacking: str | None


def learn(references: Mapping[str, Reference], refunds: Mapping[str, Floats], sales: Mapping[str, int]) -> Learnt:
    """Learn how sales become known, and from every slice with enough sales how they are kept.

    ``refunds`` by whole hours since the sale, among so many ``sales`` whose refund window is over.
    """
    return Learnt(
        delay_curves(references),
        {name: kept_share(refunds[name], count) for name, count in sales.items() if count >= MIN_SALES},
        lacking(references.get(POOLED)),
    )


def delay_curves(references: Mapping[str, Reference]) -> dict[str, DelayCurve]:
    """Make a curve of every reference that is large enough."""
    return {name: delay_curve(reference) for name, reference in references.items() if lacking(reference) is None}


def lacking(reference: Reference | None) -> str | None:
    """Return what a reference lacks to be a curve, None where nothing.

    >>> lacking(None)
    'not enough history: 0 mature conversations, 0 sales, 0 days with sales; 500, 50 and 14 are needed'
    """
    found = (reference.conversations, reference.sales, reference.days_with_sales) if reference else (0, 0, 0)
    needed = (MIN_CONVERSATIONS, MIN_SALES, MIN_DAYS)
    if all(have >= need for have, need in zip(found, needed, strict=True)):
        return None
    return (
        f"not enough history: {found[0]} mature conversations, {found[1]} sales, {found[2]} days with sales; "
        f"{needed[0]}, {needed[1]} and {needed[2]} are needed"
    )


def matured_rate(slice_name: str, window: Window, learnt: Learnt) -> MaturedRate:
    """Return the rate of a window with at least one conversation."""
    correction, reason = _correct(slice_name, window, learnt)
    kept = learnt.kept.get(slice_name, learnt.kept.get(POOLED))
    known = correction.known if correction else None
    return MaturedRate(
        window.conversations,
        window.mature,
        window.sold,
        correction,
        reason,
        {currency: revenue(worth, known, kept) for currency, worth in window.worth.items()},
        window.mature < window.conversations or window.refundable > 0,
    )


def _correct(slice_name: str, window: Window, learnt: Learnt) -> tuple[Correction | None, str | None]:
    if window.mature == window.conversations:
        return Correction(mature_rate(window), known=1.0, settled=1.0, curve=None), None
    name = slice_name if slice_name in learnt.curves else POOLED
    curve = learnt.curves.get(name)
    if curve is None:
        return None, learnt.lacking
    known = float(mean_known(window, curve.known))
    if known < MIN_KNOWN:
        return None, f"too young: {known:.1%} of its sales are known by now; {MIN_KNOWN:.0%} are needed"
    return Correction(corrected_rate(window, curve), known, _settled(window, curve), name), None


def _settled(window: Window, curve: DelayCurve) -> float:
    changing = window.open_by_age @ (1 - curve.unchanged())
    return 1 - float(changing) / window.conversations
