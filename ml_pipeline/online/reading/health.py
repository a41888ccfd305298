"""``get_ml_pipeline_metrics``: every number measured, in this process or read from Postgres.

``health_score`` is the mean of four shares in [0, 1]: Postgres answers (1 or 0); free room in the spool; offered
events that were accepted; predictions of ours that were answered in time. With a spool that cannot be written it is 0
and the status ``error``. The status is ``degraded`` with Postgres away, with events waiting that nobody ships, or with
a spool four fifths full.
"""

import asyncio
from datetime import datetime
from typing import Any

from ml_pipeline.online.recording.buffers import measure_buffers
from ml_pipeline.online.runtime import Runtime
from ml_pipeline.vocabulary.events import LABEL, OUTCOME

FULL_SHARE = 0.8


async def pipeline_metrics(runtime: Runtime, now: datetime) -> dict[str, Any]:
    """Return the figures. ``as_of`` is when Postgres said those that come from it; null where it never did."""
    is_known = await runtime.known.refresh(runtime.facade, runtime.recorder.spool.writer)
    buffers = await asyncio.to_thread(measure_buffers, runtime.recorder, runtime.known)
    is_shipping = runtime.launcher.is_running()
    status = _status(runtime, is_known=is_known, is_stuck=bool(buffers["bytes_waiting"]) and not is_shipping)
    events = runtime.activity.events
    return {
        "pipeline_status": status,
        "timestamp": now.isoformat(timespec="milliseconds"),
        "as_of": buffers["as_of"],
        "predictions": runtime.activity.as_dict(),
        "ab_testing": _ab_testing(runtime),
        "feedback_loop": {"outcomes_recorded": events[OUTCOME], "feedback_recorded": events[LABEL]},
        "model_updates": _model_updates(runtime),
        "buffers": {**buffers, "is_shipping": is_shipping},
        "health_score": 0.0 if status == "error" else _health(runtime, is_known=is_known),
    }


def _ab_testing(runtime: Runtime) -> dict[str, Any]:
    """The experiments of the policy in force, and what this process assigned; ``switched_off``: kill switches."""
    policy = runtime.policy.policy
    return {
        "active_experiments": len(policy.experiments),
        "experiments": {
            experiment.name: {"arms": [arm.name for arm in experiment.arms], "reason": experiment.reason}
            for experiment in policy.experiments
        },
        "assignments": runtime.activity.assigned(),
        "switched_off": [{"name": switch.name, "subject": switch.subject} for switch in policy.switches],
    }


def _model_updates(runtime: Runtime) -> dict[str, Any]:
    reader = runtime.policy
    policy = reader.policy
    return {
        "policy": {
            "epoch": policy.position[0],
            "n": policy.position[1],
            "read_at": reader.read_at.isoformat(timespec="milliseconds") if reader.read_at else None,
        },
        "models": [
            {"task": entry.task, "mode": entry.mode, "version": entry.version, "state": entry.state}
            for entry in (model.entry for model in policy.models)
        ],
    }


def _status(runtime: Runtime, *, is_known: bool, is_stuck: bool) -> str:
    spool = runtime.recorder.spool
    if not spool.is_usable:
        return "error"
    is_full = spool.used_bytes >= FULL_SHARE * spool.max_bytes
    return "operational" if is_known and not is_stuck and not is_full else "degraded"


def _health(runtime: Runtime, *, is_known: bool) -> float:
    recorder, activity = runtime.recorder, runtime.activity
    room = 1.0 - min(1.0, recorder.spool.used_bytes / recorder.spool.max_bytes)
    offered = recorder.offered
    accepted = recorder.spool.sequence / offered if offered else 1.0
    tried = activity.latency_ms()["n"] or 0
    answered = tried / (tried + activity.predictor_failures) if tried + activity.predictor_failures else 1.0
    return round((float(is_known) + room + accepted + answered) / 4, 4)
