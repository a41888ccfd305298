"""Look whether a task needs retraining, write down what was found, and ask for it where it does."""

import logging
from collections import Counter
from datetime import UTC, datetime

from ml_pipeline.database.engine import transaction
from ml_pipeline.models.specification import window_of
from ml_pipeline.models.triggers import store
from ml_pipeline.models.triggers.decision import Limits, decide
from ml_pipeline.models.triggers.triggerbook import read_triggers
from ml_pipeline.settings import load_settings

log = logging.getLogger(__name__)


def run(now: datetime | None = None) -> dict[str, int]:
    """Judge the triggers of every task as of ``now``, one row each.

    Returns how many tasks came to each verdict, ``unreadable`` triggers, and ``due``: requests that want a run now.
    """
    settings, now = load_settings(), now or datetime.now(UTC)
    book = read_triggers(settings.retraining_triggers)
    limits = Limits(settings.retrainings_per_week, settings.gate_budget_gates, store.GATES_WITHIN)
    verdicts: Counter[str] = Counter()
    for task in settings.tasks:
        window = window_of(task, attribution_days=settings.attribution_days, label_days=settings.label_days)
        with transaction() as tx:
            store.lock(tx)
            standing = store.standing(tx, task, now, window)
            said = book.judge(standing)
            decided = decide(said, standing, limits)
            store.record(tx, standing, said, book.unreadable, decided)
        verdicts[decided.verdict.lower().replace(" ", "_")] += 1
        log.info("retraining.evaluated task=%s verdict=%s: %s", task.name, decided.verdict, decided.reason)
    with transaction() as tx:
        unknown = store.close_unknown(tx, settings.tasks)
        due = store.count_due(tx, now)
    return {**verdicts, "unreadable": len(book.unreadable), "unknown_tasks": unknown, "due": due}
