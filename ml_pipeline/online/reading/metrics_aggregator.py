"""The figures that jobs rolled up, as the agent may ask for them."""

from functools import partial
from itertools import islice
from typing import Any

from ml_pipeline.online.figures import name_text
from ml_pipeline.online.harmless import harmless, nothing, unread
from ml_pipeline.online.reading.experiments import experiment_metrics
from ml_pipeline.online.reading.model_figures import (
    DEFAULT_HOURS,
    TREND_HOURS,
    Asked,
    aggregated_metrics,
    metric_trend,
    metrics_report,
    model_comparison,
    model_performance,
)
from ml_pipeline.online.reading.timeframe import Timeframe, learnt_in, read_hours
from ml_pipeline.online.reports import report_event
from ml_pipeline.online.session import Session

MOST_MODELS = 100
NAME_CHARACTERS = 100
METRIC_EVENT = "metric"


def asked_for(session: Session, model_type: Any) -> Asked:
    """Return the task called ``model_type``."""
    task = session.task(model_type)
    return Asked(name_text(model_type, NAME_CHARACTERS), task.name if task else None)


async def read_performance(session: Session, where: str, model_type: Any, timeframe_hours: Any) -> dict[str, Any]:
    """Read the figures of the task called ``model_type``."""
    from ml_pipeline.online import store

    timeframe = Timeframe(read_hours(timeframe_hours, DEFAULT_HOURS), session.now())
    asked = asked_for(session, model_type)
    shape = partial(model_performance, timeframe.hours, asked)
    return await session.answer(where, store.metric_totals, shape, tasks=asked.tasks, **timeframe.bounds)


class MetricsAggregator:
    def __init__(self, session: Session) -> None:
        self.session = session

    @harmless(unread(model_comparison))
    async def get_model_comparison_metrics(
        self, model_types: Any, timeframe_hours: Any = DEFAULT_HOURS
    ) -> dict[str, Any]:
        """Return the versions of several tasks side by side; see ``model_comparison``."""
        from ml_pipeline.online import store

        given = [model_types] if isinstance(model_types, str) else islice(model_types or (), MOST_MODELS)
        asked = [asked_for(self.session, name) for name in given]
        models = {each.model_type: each.task for each in asked}
        timeframe = self._timeframe(timeframe_hours)
        tasks = [task for each in asked for task in each.tasks]
        shape = partial(model_comparison, timeframe.hours, models)
        where = "get_model_comparison_metrics"
        return await self.session.answer(where, store.metric_totals, shape, tasks=tasks, **timeframe.bounds)

    @harmless(unread(aggregated_metrics))
    async def get_aggregated_metrics(self, timeframe_hours: Any = DEFAULT_HOURS) -> dict[str, Any]:
        """Return all figures of the last hours; see ``aggregated_metrics``."""
        from ml_pipeline.online import store

        timeframe = self._timeframe(timeframe_hours)
        shape = partial(aggregated_metrics, timeframe.hours)
        where = "get_aggregated_metrics"
        return await self.session.answer(where, store.metric_totals, shape, tasks=None, **timeframe.bounds)

    @harmless(unread(metric_trend))
    async def get_metric_trends(
        self, metric: Any, model_type: Any = None, timeframe_hours: Any = TREND_HOURS
    ) -> dict[str, Any]:
        """Return how a metric went, hour by hour; see ``metric_trend``."""
        from ml_pipeline.online import store

        timeframe = Timeframe(read_hours(timeframe_hours, TREND_HOURS), self.session.now())
        name, asked = name_text(metric, NAME_CHARACTERS), asked_for(self.session, model_type)
        tasks = None if model_type is None else asked.tasks
        shape = partial(metric_trend, timeframe.hours, name, asked.task)
        return await self.session.answer(
            "get_metric_trends", store.metric_hours, shape, metric=name, tasks=tasks, **timeframe.bounds
        )

    @harmless(unread(experiment_metrics))
    async def get_ab_test_metrics(self, experiment: Any = None) -> dict[str, Any]:
        """Return the experiments and what was measured of them, or one by its name; see ``experiment_metrics``."""
        from ml_pipeline.online import store

        name = None if experiment is None else name_text(experiment, NAME_CHARACTERS)
        return await self.session.answer("get_ab_test_metrics", store.experiments, experiment_metrics, experiment=name)

    @harmless(unread(metrics_report))
    async def generate_metrics_report(self, timeframe_hours: Any = DEFAULT_HOURS) -> dict[str, Any]:
        """Return figures, drift and experiments of the last hours in one; see ``metrics_report``."""
        from ml_pipeline.online import store

        timeframe = self._timeframe(timeframe_hours)
        shape = partial(metrics_report, timeframe.hours)
        return await self.session.answer(
            "generate_metrics_report",
            store.metrics_report,
            shape,
            learnt_since=learnt_in(timeframe.hours),
            **timeframe.bounds,
        )

    @harmless(nothing, is_loss=True)
    async def record_metric(self, metric: Any, value: Any, tags: Any = None, conversation_id: Any = None) -> str | None:
        """Record a figure of the agent's own as a ``metric`` event; return its id."""
        told = {"metric": metric, "value": value, "tags": tags}
        return report_event(self.session, "record_metric", METRIC_EVENT, told, conversation_id)

    def _timeframe(self, given: Any) -> Timeframe:
        return Timeframe(read_hours(given, DEFAULT_HOURS), self.session.now())
