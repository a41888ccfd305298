"""The shapes in which figures of models and metrics are told; nothing is computed here but sums."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ml_pipeline.online.reading.drift_detector import drift_summary
from ml_pipeline.online.reading.experiments import experiment_metrics
from ml_pipeline.online.session import Row

DEFAULT_HOURS = 24.0
TREND_HOURS = 168.0
MONEY = ("revenue", "net_revenue")
"""Metrics that have a figure per currency, and none over all."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A task as a caller names it; ``task`` is None where no task is called so."""

    model_type: str
    task: str | None

    @property
    def tasks(self) -> list[str]:
        """The tasks to read, as statements take them."""
        return [self.task] if self.task else []


def told(asked: Asked | None) -> dict[str, str | None]:
    """Return what was asked for, as an answer repeats it."""
    return {"model_type": asked.model_type, "task": asked.task} if asked else {"model_type": None, "task": None}


def model_figures(totals: Sequence[Row], serving: Sequence[Row]) -> dict[str, Any]:
    """Return per version what was measured of it, and its state where it runs.

    ``versions``: {version: {mode, state, metrics: {metric: {value, n}}}}, where a value is the mean over ``n``;
    ``champion``: the version that serves, null where the caller does.
    """
    versions: dict[str, Row] = {}
    for row in totals:
        version = versions.setdefault(row["version"], {"mode": row["mode"], "state": None, "metrics": {}})
        version["metrics"][row["metric"]] = {"value": row["value"], "n": row["n"]}
    for row in serving:
        if row["version"] in versions:
            versions[row["version"]]["state"] = row["state"]
    champion = next((row["version"] for row in serving if row["state"] == "champion"), None)
    return {"champion": champion, "versions": versions}


def model_comparison(
    hours: float = DEFAULT_HOURS,
    models: dict[str, str | None] | None = None,
    *,
    totals: Sequence[Row] = (),
    serving: Sequence[Row] = (),
) -> dict[str, Any]:
    """Return ``models``, {the name as asked for: its ``model_figures``}, and ``unknown_models``, names of no task.

    ``models``: the task of each name asked for.
    """
    asked = models or {}
    return {
        "timeframe_hours": hours,
        "models": {
            name: model_figures(
                [row for row in totals if row["task"] == task], [row for row in serving if row["task"] == task]
            )
            for name, task in asked.items()
            if task
        },
        "unknown_models": [name for name, task in asked.items() if not task],
    }


def model_performance(
    hours: float = DEFAULT_HOURS,
    asked: Asked | None = None,
    *,
    totals: Sequence[Row] = (),
    serving: Sequence[Row] = (),
) -> dict[str, Any]:
    """Return ``model_figures`` of one task, its name as asked for, and the ``task``: null where none is called so."""
    return {**told(asked), "timeframe_hours": hours, **model_figures(totals, serving)}


def aggregated_metrics(
    hours: float = DEFAULT_HOURS, *, totals: Sequence[Row] = (), serving: Sequence[Row] = ()
) -> dict[str, Any]:
    """Return the figures of the timeframe: means over ``n``.

    ``metrics``: those of no model, {metric: {value, n}}: conversion_rate, satisfaction, error_rate, … ;
    ``revenue`` and, after refunds, ``net_revenue``: per conversation, {currency: {value, n}}; ``models``: {task: its
    ``model_figures``}.
    """
    general = [row for row in totals if not row["task"]]
    tasks = sorted({row["task"] for row in totals if row["task"]})
    return {
        "timeframe_hours": hours,
        "metrics": {
            row["metric"]: {"value": row["value"], "n": row["n"]} for row in general if row["metric"] not in MONEY
        },
        **{name: _by_currency(row for row in general if row["metric"] == name) for name in MONEY},
        "models": model_comparison(hours, dict(zip(tasks, tasks, strict=True)), totals=totals, serving=serving)[
            "models"
        ],
    }


def _by_currency(figures: Iterable[Row]) -> dict[str, Any]:
    return {row["currency"]: {"value": row["value"], "n": row["n"]} for row in figures}


def metric_trend(
    hours: float = TREND_HOURS, metric: str = "", task: str | None = None, *, points: Sequence[Row] = ()
) -> dict[str, Any]:
    """Return ``series``: of each (task, mode, version, currency) that has any, its ``points``, oldest first.

    A point is an hour's ``value``, a mean over ``n``. At most 5,000 points, the newest.
    """
    names = ("task", "mode", "version", "currency")
    series: dict[tuple[str, ...], Row] = {}
    for row in reversed(points):
        key = tuple(row[name] for name in names)
        line = series.setdefault(key, dict(zip(names, key, strict=True)) | {"points": []})
        line["points"].append({"hour": row["hour"], "value": row["value"], "n": row["n"]})
    return {"metric": metric, "task": task, "timeframe_hours": hours, "series": list(series.values())}


def metrics_report(
    hours: float = DEFAULT_HOURS,
    *,
    totals: Sequence[Row] = (),
    serving: Sequence[Row] = (),
    counts: Sequence[Row] = (),
    findings: Sequence[Row] = (),
    experiments: Sequence[Row] = (),
) -> dict[str, Any]:
    """Return ``aggregated_metrics`` with ``drift`` (a drift summary) and ``ab_tests`` (experiment metrics)."""
    return aggregated_metrics(hours, totals=totals, serving=serving) | {
        "drift": drift_summary(hours, counts=counts, findings=findings),
        "ab_tests": experiment_metrics(experiments=experiments),
    }
