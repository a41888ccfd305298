"""The time of a replay: the source's own, shifted so that its last event was now when it was first replayed."""

from datetime import UTC, datetime, timedelta

from ml_pipeline.database.engine import transaction
from ml_pipeline.samples import store
from ml_pipeline.vocabulary.dialogue import Source

EARLY = timedelta(days=1)
"""How far past now a recorded shift may carry another edition of a source: the log takes two days."""


class ReplayClock:
    """Tells the time of the event that is being replayed; given to the service as its clock."""

    def __init__(self, shift: timedelta) -> None:
        self.shift = shift
        self._now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self._now

    def move_to(self, source_time: datetime) -> datetime:
        """Set the clock to a time of the source; return it shifted."""
        self._now = source_time + self.shift
        return self._now


def open_clock(source: Source) -> ReplayClock:
    """Return the clock of a replay of ``source``, its shift recorded.

    A source replayed before keeps its shift, so that the same events have the same ids.

    Raises:
        DatabaseError: if Postgres cannot be reached.
    """
    with transaction() as tx:
        store.lock(tx)
        now = datetime.now(UTC).replace(microsecond=0)
        shift = store.shift_of(tx, source.name)
        if shift is None or source.last_event_at + shift > now + EARLY:
            shift = now - source.last_event_at
        store.record(tx, source, shift)
    return ReplayClock(shift)
