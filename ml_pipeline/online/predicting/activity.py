"""What this process did since it started: counts and latencies, for ``get_ml_pipeline_metrics``."""

from collections import Counter, deque
from typing import Any

REMEMBERED_LATENCIES = 1_000


class Activity:
    def __init__(self) -> None:
        self.predictions: Counter[tuple[str, str]] = Counter()
        self.served: Counter[tuple[str, str]] = Counter()
        self.events: Counter[str] = Counter()
        self.assignments: Counter[tuple[str, str]] = Counter()
        self.predictor_failures = 0
        self._latencies_ms: deque[float] = deque(maxlen=REMEMBERED_LATENCIES)

    def predicted(self, task: str, version: str, latency_ms: float | None) -> None:
        """Count an answer; ``latency_ms`` where it was ours."""
        self.predictions[task, version] += 1
        if latency_ms is not None:
            self._latencies_ms.append(latency_ms)

    def latency_ms(self) -> dict[str, float | int | None]:
        """Percentiles of our last thousand answers; None where there are none."""
        known = sorted(self._latencies_ms)
        figures: dict[str, float | int | None] = {"n": len(known)}
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            figures[name] = round(known[min(len(known) - 1, int(share * len(known)))], 4) if known else None
        return figures

    def assigned(self) -> dict[str, dict[str, int]]:
        """Assignments per experiment and arm."""
        return _nested(self.assignments)

    def as_dict(self) -> dict[str, Any]:
        return {
            "total": self.predictions.total(),
            "by_task": _nested(self.predictions),
            "served_by": _nested(self.served),
            "latency_ms": self.latency_ms(),
            "failures": self.predictor_failures,
        }


def _nested(counter: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for (task, version), count in counter.items():
        nested.setdefault(task, {})[version] = count
    return nested
