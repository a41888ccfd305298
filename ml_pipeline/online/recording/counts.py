"""What was refused and what was mended, by reason: counted always, said at most once a minute."""

import logging
import threading
import time
from collections import Counter

log = logging.getLogger(__name__)

QUIET_SECONDS = 60.0


class Counts:
    """Counters of one process. ``refused``: offered, not taken. ``noted``: taken, with something mended or missing."""

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()
        self.noted: Counter[str] = Counter()
        self._last_said: dict[str, float] = {}
        self._lock = threading.Lock()

    def refuse(self, reason: str, where: str) -> int:
        """Count a refusal; return how often it happened where it is time to say so, else 0."""
        return self._count(self.refused, reason, where)

    def note(self, reason: str, where: str) -> int:
        """Count a defect that stopped nothing; return as ``refuse`` does."""
        return self._count(self.noted, reason, where)

    def _count(self, counter: Counter[str], reason: str, where: str) -> int:
        now = time.monotonic()
        with self._lock:
            counter[reason] += 1
            count = counter[reason]
            if now - self._last_said.get(reason, -QUIET_SECONDS) < QUIET_SECONDS:
                return 0
            self._last_said[reason] = now
        log.warning("online.%s where=%s count=%d", reason, where, count)
        return count
