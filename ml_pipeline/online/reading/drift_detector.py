"""What the drift checks found, as the agent may ask for it."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from ml_pipeline.online.harmless import harmless, nothing, unread
from ml_pipeline.online.reading.timeframe import learnt_in, read_hours
from ml_pipeline.online.reports import Told, report_prediction
from ml_pipeline.online.session import Row, Session

DEFAULT_HOURS = 24.0


def drift_summary(
    hours: float = DEFAULT_HOURS, *, counts: Sequence[Row] = (), findings: Sequence[Row] = ()
) -> dict[str, Any]:
    """Return the keys of a drift summary.

    ``checks`` and ``drifted`` count what was checked in the timeframe, as ``by_kind`` does per kind: data, prediction,
    label, performance, delay. ``by_severity`` counts findings. ``findings``: at most 100, newest first, with ``kind``,
    ``subject``, ``severity``, ``headline``, ``psi``, ``test``, ``p_value``, ``window_start``, ``window_end``,
    ``checked_at``. ``last_checked_at`` is null where nothing was checked.
    """
    by_kind: dict[str, dict[str, int]] = {}
    by_severity: dict[str, int] = {}
    for row in counts:
        of_kind = by_kind.setdefault(row["kind"], {"checks": 0, "drifted": 0})
        of_kind["checks"] += row["checks"]
        of_kind["drifted"] += row["drifted"]
        if row["drifted"]:
            by_severity[row["severity"]] = by_severity.get(row["severity"], 0) + row["drifted"]
    return {
        "timeframe_hours": hours,
        "checks": sum(row["checks"] for row in counts),
        "drifted": sum(row["drifted"] for row in counts),
        "by_kind": by_kind,
        "by_severity": by_severity,
        "findings": list(findings),
        "last_checked_at": max((row["last_checked_at"] for row in counts), default=None),
    }


def drift_alerts(
    hours: float = DEFAULT_HOURS, *, counts: Sequence[Row] = (), findings: Sequence[Row] = ()
) -> dict[str, Any]:
    """Return the keys of drift alerts: ``alerts`` as in a summary's findings, and how many there are in all."""
    total = sum(row["drifted"] for row in counts)
    return {"timeframe_hours": hours, "total_alerts": total, "alerts": list(findings)}


class DriftDetector:
    def __init__(self, session: Session) -> None:
        self.session = session

    @harmless(unread(drift_summary))
    async def get_drift_summary(self, hours: Any = DEFAULT_HOURS) -> dict[str, Any]:
        """Return what was checked for drift in the last hours and what was found; see ``drift_summary``."""
        from ml_pipeline.online import store

        asked = read_hours(hours, DEFAULT_HOURS)
        shape = partial(drift_summary, asked)
        return await self.session.answer("get_drift_summary", store.drift, shape, since=learnt_in(asked))

    @harmless(nothing, is_loss=True)
    async def track_prediction(
        self,
        conversation_id: Any,
        prediction_type: Any,
        predictions: Any,
        confidence_scores: Any = None,
        context: Any = None,
    ) -> str | None:
        """``MLPipelineService.track_prediction``: what is recorded once is what drift is checked on."""
        told = Told(prediction_type, predictions, confidence_scores, context)
        return report_prediction(self.session, "drift_detector.track_prediction", conversation_id, told)
