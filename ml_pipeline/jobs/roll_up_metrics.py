"""Make the metrics of trusted hours that changed again."""

import logging
from datetime import datetime

from ml_pipeline.database.engine import transaction
from ml_pipeline.metrics import store
from ml_pipeline.settings import load_settings
from ml_pipeline.vocabulary.interval import Interval

log = logging.getLogger(__name__)


def run(start: datetime | str | None = None, end: datetime | str | None = None) -> dict[str, int]:
    """Roll up every trusted hour that changed, and every trusted hour of ``[start, end)`` whether it changed or not.

    Bounds are times or ISO strings with a zone, both or none.

    Raises:
        ValueError: if they are not.
    """
    also = _interval(start, end)
    with transaction() as tx:
        hours = store.take_hours(tx, also)
        rows = store.roll_up(tx, load_settings().tasks) if hours else 0
    log.info("metrics.rolled_up hours=%d rows=%d", hours, rows)
    return {"hours": hours, "rows": rows}


def _interval(start: datetime | str | None, end: datetime | str | None) -> Interval | None:
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise ValueError(f"an interval needs both bounds: {start} to {end}; give start and end, or neither")
    return Interval(*(datetime.fromisoformat(at) if isinstance(at, str) else at for at in (start, end)))
