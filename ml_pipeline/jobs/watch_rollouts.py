"""Look at every rollout: take back what does harm, let go on what has shown enough, end what is over."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from ml_pipeline.database.engine import Transaction, transaction
from ml_pipeline.errors import PipelineError
from ml_pipeline.models import store as models
from ml_pipeline.models.names import model_name
from ml_pipeline.models.rollouts import store
from ml_pipeline.models.rollouts.looks import Pair, read_evidence
from ml_pipeline.models.rollouts.rules import Rules
from ml_pipeline.models.rollouts.standing import Standing, State
from ml_pipeline.models.rollouts.steps import go_on
from ml_pipeline.models.rollouts.terms import Terms, steps_from, terms_of
from ml_pipeline.models.rollouts.verdict import Verdict, judge
from ml_pipeline.models.specification import window_of
from ml_pipeline.settings import load_settings
from ml_pipeline.vocabulary.tasks import Task

log = logging.getLogger(__name__)

STAYED, OVERTAKEN = "stayed", "overtaken"


def run(now: datetime | None = None) -> dict[str, int]:
    """Make at most one move of every task.

    Returns how many tasks came to each state; ``stayed``: nothing moved; ``overtaken``: somebody moved the task while
    it was looked at, and the next run looks again.

    Raises:
        PipelineError: of the first task that failed; the others are done.
    """
    settings = load_settings()
    counts: Counter[str] = Counter()
    failures: list[PipelineError] = []
    for task in settings.tasks:
        try:
            counts[_watch(task, terms_of(settings), now or datetime.now(UTC))] += 1
        except PipelineError as error:
            log.exception("rollout.failed task=%s", model_name(task))
            failures.append(error)
    if failures:
        raise failures[0]
    return {str(name): counts[name] for name in (*State, STAYED, OVERTAKEN)}


def _watch(task: Task, terms: Terms, now: datetime) -> str:
    # What a look rests on is read without the lock: a rollback by hand waits for nobody.
    with transaction() as tx:
        seen = store.standing(tx, task, now)
    verdicts = look(task, seen, terms, now)
    with transaction() as tx:
        models.lock(tx, task)
        if store.standing(tx, task, now) != seen:
            log.info("rollout.overtaken task=%s", model_name(task))
            return OVERTAKEN
        move = go_on(tx, task, seen, verdicts, terms, actor=store.ACTOR)
    return str(move.state) if move else STAYED


def look(task: Task, seen: Standing, terms: Terms, now: datetime) -> dict[str, Verdict]:
    """Return what is to be done of each version that another is compared with; nothing is recorded."""
    verdicts: dict[str, Verdict] = {}
    settings = load_settings()
    window = window_of(task, attribution_days=settings.attribution_days, label_days=settings.label_days)
    for pair, rules in _pairs(seen, terms.rules):
        with transaction() as tx:
            evidence = read_evidence(tx, task, pair, terms, window=window, now=_known_until(tx, now))
        verdict = judge(evidence, rules)
        log.info(
            "rollout.judged task=%s version=%s phase=%s verdict=%s: %s",
            model_name(task), pair.ours, pair.phase, verdict.act, verdict.reason,
        )  # fmt: skip
        verdicts[pair.ours] = verdict
    return verdicts


def _pairs(seen: Standing, rules: Rules) -> Iterator[tuple[Pair, Rules]]:
    champion, challenger, holdback = seen.champion, seen.challenger, seen.holdback
    if champion and holdback:
        yield Pair("holdback", champion.version, holdback.version), rules
    if champion and challenger and rules.steps:
        if challenger.state is State.SHADOW:
            yield Pair("shadow", challenger.version, champion.version), rules
        else:
            steps, at = steps_from(rules.steps, challenger.share)
            yield Pair("canary", challenger.version, champion.version, at), replace(rules, steps=steps)


def _known_until(tx: Transaction, now: datetime) -> datetime:
    return min(now, models.known_until(tx))
