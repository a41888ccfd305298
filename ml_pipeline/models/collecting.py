"""From the facts to a training set: what is known now is written down as a specification, and read by it."""

from ml_pipeline.database.engine import Transaction
from ml_pipeline.models import store
from ml_pipeline.models.provenance import git_revision
from ml_pipeline.models.specification import Excerpt, Specification, Terms, Window, choose_cut_off, window_of
from ml_pipeline.models.training_set import TrainingSet, assemble
from ml_pipeline.online.predicting.features import REVISION
from ml_pipeline.settings import Settings
from ml_pipeline.vocabulary.interval import Interval
from ml_pipeline.vocabulary.tasks import Task


def collect(tx: Transaction, task: Task, settings: Settings, within: Interval | None = None) -> TrainingSet:
    """Return the rows of the task as they are known now, of conversations that started ``within`` the interval."""
    return read(tx, specify(tx, task, terms_of(task, settings), within))


def read(tx: Transaction, specification: Specification) -> TrainingSet:
    """Return the rows that ``specification`` gives, today or in a year."""
    task = specification.task
    found = (
        conversation
        for excerpt in specification.excerpts
        for conversation in store.labelled_conversations(tx, task, excerpt)
    )
    return assemble(task, found, specification)


def specify(tx: Transaction, task: Task, terms: Terms, within: Interval | None = None) -> Specification:
    """Write down what is known now, and choose the cut-off, never before the champion's: its lessons may not judge."""
    known_until = store.known_until(tx)
    trusted = store.trusted_spans(tx)
    started = store.started_until(tx, known_until) or Interval(known_until, known_until)
    if within:
        start = max(started.start, within.start)
        started = Interval(start, max(start, min(started.end, within.end)))
    whole = Excerpt(started, known_until, terms.window, trusted, terms.with_derived)
    closed = store.closed_conversations(tx, task, whole)
    chosen = choose_cut_off(closed, terms, is_binary=len(task.labels) == 1) or known_until
    serving = store.champion(tx, task)
    learnt_until = serving.trained_until if serving and serving.trained_until else chosen
    return Specification(
        task, started, max(chosen, learnt_until), known_until, trusted, terms, REVISION, git_revision()
    )


def terms_of(task: Task, settings: Settings) -> Terms:
    window = window_of(task, attribution_days=settings.attribution_days, label_days=settings.label_days)
    return Terms(
        window,
        settings.gate_share,
        settings.gate_min_positives,
        settings.train_on_derived_labels,
        settings.weigh_by_propensity,
        settings.max_propensity_weight,
    )


def everything(tx: Transaction) -> Excerpt:
    """Return an excerpt of all that is known by now, however young."""
    always = Interval(store.LONG_AGO, store.FOREVER)
    return Excerpt(always, store.FOREVER, Window(0.0, is_from_start=True), store.trusted_spans(tx))
