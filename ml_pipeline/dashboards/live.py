"""The last minutes, straight from the log: unjudged, and as fresh as what the shippers have brought."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ml_pipeline.dashboards import store
from ml_pipeline.dashboards.store import Row
from ml_pipeline.database.engine import Transaction
from ml_pipeline.vocabulary.interval import Interval

SHOWN = timedelta(minutes=30)
RECENT = timedelta(minutes=5)
"""What the figures are about, and how long a call without an outcome counts as in progress after its last event."""
CALLS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute of the log; ``at`` is its beginning."""

    at: datetime
    events: int = 0
    turns: int = 0
    conversations: int = 0
    attempts: int = 0
    failures: int = 0
    latency_p95_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """What one version answered of late. Latencies are of answers that tell theirs."""

    task: str
    mode: str
    version: str
    answers: int
    served_share: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Call:
    """A conversation in progress. ``likelihood`` of a sale, as it was last served to the agent."""

    name: str
    last_at: datetime
    language: str | None
    program: str | None
    platform: str | None
    phase: str | None
    turns: int | None
    likelihood: float | None


@dataclass(frozen=True, slots=True)
class Live:
    """``minutes`` end with the one under way; ``backlog`` are events that are no facts yet."""

    as_of: datetime
    minutes: tuple[Minute, ...]
    answers: tuple[Answers, ...]
    calls: tuple[Call, ...]
    calls_in_progress: int
    backlog: int
    backlog_since: datetime | None

    @property
    def events_per_second(self) -> float:
        """Over the recent minutes that are over."""
        whole = self._recent()
        return sum(minute.events for minute in whole) / (60 * len(whole))

    @property
    def error_rate(self) -> float | None:
        """Failures among attempts of the recent minutes, in [0, 1]; None where nothing was tried."""
        attempts = sum(minute.attempts for minute in self._recent())
        return sum(minute.failures for minute in self._recent()) / attempts if attempts else None

    @property
    def is_quiet(self) -> bool:
        """Whether the log tells of nothing in all the minutes shown."""
        return not any(minute.events for minute in self.minutes)

    def _recent(self) -> Sequence[Minute]:
        return self.minutes[-1 - RECENT // timedelta(minutes=1) : -1]


def read_live(tx: Transaction, now: datetime) -> Live:
    """Read what the log says of the half hour before ``now``."""
    shown = Interval(now.astimezone(UTC).replace(second=0, microsecond=0) - SHOWN, now)
    recent = Interval(now - RECENT, now)
    calls = store.calls(tx, recent, CALLS_SHOWN)
    waiting, since = store.backlog(tx)
    return Live(
        as_of=now,
        minutes=every_minute(shown, store.minutes(tx, shown)),
        answers=tuple(_answers(row) for row in store.answers(tx, recent)),
        calls=tuple(_call(row) for row in calls),
        calls_in_progress=calls[0]["calls"] if calls else 0,
        backlog=waiting,
        backlog_since=since,
    )


def every_minute(span: Interval, told: Iterable[Row]) -> tuple[Minute, ...]:
    """Return each minute that ``span`` touches, also those in which nothing happened."""
    known = {row["minute"]: row for row in told}
    return tuple(_minute(at, known.get(at)) for at in _beginnings(span))


def _minute(at: datetime, row: Row | None) -> Minute:
    if row is None:
        return Minute(at)
    return Minute(at, **{name: row[name] for name in Minute.__slots__ if name != "at"})


def _beginnings(span: Interval) -> Iterable[datetime]:
    at = span.start
    while at < span.end:
        yield at
        at += timedelta(minutes=1)


def _answers(row: Row) -> Answers:
    p50, p95, p99 = row["latency_ms"] or (None, None, None)
    return Answers(
        task=row["task"],
        mode=row["mode"],
        version=row["version"],
        answers=row["answers"],
        served_share=float(row["served_share"]),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
    )


def _call(row: Row) -> Call:
    return Call(
        name=row["client_id"] or row["conversation_id"],
        **{name: row[name] for name in Call.__slots__ if name != "name"},
    )
