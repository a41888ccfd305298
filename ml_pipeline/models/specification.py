"""What a training set is made of: which conversations, as they were known when, and who of them judges."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
import numpy as np

from ml_pipeline.models.split import split_at
from ml_pipeline.vocabulary.interval import Interval
from ml_pipeline.vocabulary.tasks import Task

MOST_JUDGE = 0.5
"""However many examples the gate lacks, at least as many conversations teach as judge."""

Weighting = Literal["no", "rollouts", "all"]


@dataclass(frozen=True, slots=True)
class Window:
    """When nothing more is awaited of a conversation: ``days`` after its start, or after the last turn known."""

    days: float
    is_from_start: bool


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Conversations that started within ``started``, as they were known at ``as_of``, if their window had closed then.

    ``trusted``: the hours that may be read. ``seen_by``: customers known at that time count as seen before.
    """

    started: Interval
    as_of: datetime
    window: Window
    trusted: tuple[Interval, ...]
    with_derived: bool = False
    seen_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What an operator chose: see the settings of these names."""

    window: Window
    gate_share: float
    gate_min_positives: int
    with_derived: bool
    weighting: Weighting
    max_propensity_weight: float


@dataclass(frozen=True, slots=True)
class Specification:
    """What gives the same rows whenever it is read again, whatever was learnt since.

    Conversations of ``started`` before ``cut_off`` train and calibrate, by what was known at ``cut_off``; those from
    it on judge, by what was known at ``known_until``. Either part holds only those whose window had closed by then.
    ``trusted`` names the hours that could be read when this was written; whether they still can makes no difference.
    """

    task: Task
    started: Interval
    cut_off: datetime
    known_until: datetime
    trusted: tuple[Interval, ...]
    terms: Terms
    feature_revision: int
    code_revision: str | None

    @property
    def digest(self) -> str:
        """SHA-256 of all of it."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    @property
    def excerpts(self) -> tuple[Excerpt, Excerpt]:
        """What teaches, and what judges; no conversation lies in both."""
        bounds, terms = self.started, self.terms
        middle = min(max(self.cut_off, bounds.start), bounds.end)
        return (
            Excerpt(Interval(bounds.start, middle), self.cut_off, terms.window, self.trusted, terms.with_derived),
            Excerpt(Interval(middle, bounds.end), self.known_until, terms.window, self.trusted, seen_by=self.cut_off),
        )

    def split(self, started_at: Sequence[datetime]) -> Any:
        """Return the part of each conversation, see ``split_at``."""
        return split_at([at.timestamp() for at in started_at], self.cut_off.timestamp())

    def as_document(self) -> dict[str, Any]:
        """Return what ``read_specification`` reads."""
        return dict(msgspec.to_builtins(self))


def read_specification(document: object) -> Specification:
    return msgspec.convert(document, Specification)


@dataclass(frozen=True, slots=True)
class Closed:
    """A conversation whose window has closed: when it did, and how many examples it holds of each class."""

    started_at: datetime
    closed_at: datetime
    positives: int
    negatives: int


def choose_cut_off(closed: Sequence[Closed], terms: Terms, *, is_binary: bool) -> datetime | None:
    """Return from which start on conversations judge; None without any.

    ``closed``: in the order of their starts. The newest ``gate_share`` of those that serve judge: who started before
    the cut-off serves only if its window had closed by then. While they hold fewer than ``gate_min_positives``
    examples (of the rarer class, if ``is_binary``), older ones judge too, up to ``MOST_JUDGE``.

    >>> def call(day: int) -> Closed:
    ...     return Closed(datetime(2026, 3, day), datetime(2026, 3, day + 2), 1, 1)
    >>> terms = Terms(Window(2, False), 0.25, 3, False, "no", 10.0)
    >>> choose_cut_off([call(day) for day in range(1, 21)], terms, is_binary=False)
    datetime.datetime(2026, 3, 16, 0, 0)
    """
    if not closed:
        return None
    starts = np.array([one.started_at.timestamp() for one in closed])
    first_of_start = np.searchsorted(starts, starts)
    judging = len(closed) - first_of_start
    closings = np.sort([one.closed_at.timestamp() for one in closed])
    teaching = np.searchsorted(closings, starts, side="right")
    share = judging / (judging + teaching)
    examples = _from_here([one.positives for one in closed])
    if is_binary:
        examples = np.minimum(examples, _from_here([one.negatives for one in closed]))
    newest = _last(share >= terms.gate_share)
    enough = _last(examples >= terms.gate_min_positives)
    oldest = int(np.argmax(share <= MOST_JUDGE)) if (share <= MOST_JUDGE).any() else newest
    return closed[int(first_of_start[max(min(newest, enough), oldest)])].started_at


def _from_here(counts: Sequence[int]) -> Any:
    return np.cumsum(np.asarray(counts)[::-1])[::-1]


def _last(holds: Any) -> int:
    places = np.flatnonzero(holds)
    return int(places[-1]) if len(places) else 0


def window_of(task: Task, *, attribution_days: int, label_days: float) -> Window:
    """Return when conversations close for a task: by their start where one truth holds for the whole conversation."""
    if task.scope == "conversation":
        return Window(float(attribution_days), is_from_start=True)
    return Window(label_days, is_from_start=False)


def just_after(at: datetime) -> datetime:
    """Return the least time later than ``at`` that Postgres tells from it."""
    return at + timedelta(microseconds=1)
