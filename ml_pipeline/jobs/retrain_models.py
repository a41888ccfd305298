"""Freeze what is known, train on it, judge the candidate, publish what passed; a ticket per task goes through."""

import logging
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NotRequired, TypedDict

import msgspec
from sklearn.pipeline import Pipeline

from ml_pipeline.database.engine import transaction
from ml_pipeline.errors import ArtifactError, BundleError, PipelineError, RegistryError
from ml_pipeline.jobs import mirror_registry
from ml_pipeline.models import opponents, refit, store
from ml_pipeline.models.assessment import assess, describe_rows, untrained
from ml_pipeline.models.candidates.columns import ColumnsByKind, columns_of
from ml_pipeline.models.candidates.fit import fit
from ml_pipeline.models.candidates.recipe import in_words
from ml_pipeline.models.candidates.search import learning_curve, rungs, search
from ml_pipeline.models.card import card
from ml_pipeline.models.collecting import collect as collect_rows
from ml_pipeline.models.export import BUDGET_SHARE, as_table, export, prove
from ml_pipeline.models.gate import GateRules, Stakes
from ml_pipeline.models.names import model_name
from ml_pipeline.models.plots import plots
from ml_pipeline.models.provenance import origin, recipe_digest
from ml_pipeline.models.publication import is_known, settle
from ml_pipeline.models.registry import Registered, Registry
from ml_pipeline.models.rollouts.terms import terms_of
from ml_pipeline.models.sample_rows import sample_rows
from ml_pipeline.models.sentence_vectors import MAX_ROWS
from ml_pipeline.models.specification import read_specification
from ml_pipeline.models.split import CALIBRATION, GATE, PARTS, TRAIN
from ml_pipeline.models.store import Decided
from ml_pipeline.models.training_set import TrainingSet, frozen_digest, shortage, thaw
from ml_pipeline.models.triggers import store as requests
from ml_pipeline.models.triggers.order import ALL, Form, Order, chosen
from ml_pipeline.settings import load_settings
from ml_pipeline.vocabulary.tasks import Task
from ml_pipeline.vocabulary.verdicts import GateVerdict

log = logging.getLogger(__name__)

UNCHANGED = "unchanged"
OUTCOMES = {GateVerdict.PROMOTE: "promoted", GateVerdict.HOLD: "held", GateVerdict.NOT_ENOUGH_DATA: "not_enough_data"}


class Ticket(TypedDict):
    """What one step hands to the next; nothing large. ``retraining``: who has taken the task's requests.

    ``dataset``, ``model``, ``evidence``: the SHA-256 of what a step left in MLflow; the next takes that or nothing.
    ``learning_curve``: of the recipe that was chosen.
    """

    task: str
    run_id: str
    retraining: str
    is_dry_run: bool
    dataset: str
    model: NotRequired[str]
    learning_curve: NotRequired[list[dict[str, Any]]]
    evidence: NotRequired[str]


def run(task: str = ALL, reason: str = "asked for", **form: Any) -> dict[str, int | str]:
    """Retrain ``task`` (``objection.detect``, ``objection`` or all) from beginning to end; ``form``: see ``Form``.

    Returns ``promoted``, ``held``, ``not_enough_data`` and ``unchanged``, and per task what came out. A dry run judges
    and publishes nothing.

    Raises:
        PipelineError: if Postgres or MLflow fails, or a set cannot be rebuilt; the other tasks are done before.
    """
    outcomes: dict[str, str] = {}
    failures: list[PipelineError] = []
    for order, ticket in _collect(_asked_by_hand(Form(task, reason, **form))):
        name = model_name(order.task)
        try:
            outcomes[name] = ticket if isinstance(ticket, str) else publish(validate(train(ticket)))["outcome"]
        except PipelineError as error:
            log.exception("retraining.failed task=%s", name)
            failures.append(error)
    if failures:
        raise failures[0]
    counts = Counter(outcomes.values())
    return {outcome: counts[outcome] for outcome in (*OUTCOMES.values(), UNCHANGED)} | outcomes


def collect(task: str = ALL, reason: str = "asked for", **form: Any) -> list[Ticket]:
    """Freeze the rows of each chosen task; return a ticket for each that can be trained and is not judged yet."""
    return _tickets(_collect(_asked_by_hand(Form(task, reason, **form))))


def collect_for_run(
    form: Mapping[str, Any], *, is_woken: bool = False, run_id: str | None = None, actor: str | None = None
) -> list[Ticket]:
    """Freeze what an Airflow run is about: what was asked for if requests woke it, else what its form says.

    ``run_id`` names the run, so that a retry asks for nothing twice.

    Raises:
        TrainingError: if the form names no task or no interval.
    """
    orders = _requested() if is_woken else _asked_by_hand(Form(**form), run_id=run_id, actor=actor)
    return _tickets(_collect(orders))


def train(ticket: Ticket) -> Ticket:
    """Search a recipe inside the training part, fit, calibrate, keep the model in MLflow."""
    task, registry = _task(ticket), _registry()
    rows = _thaw(registry, ticket, (TRAIN, CALIBRATION))
    columns = _columns(task, rows)
    tried = search(rows.part(TRAIN), columns, load_settings().words_min_conversations)
    best = tried[0].recipe
    model = fit(rows.part(TRAIN), rows.part(CALIBRATION), best, columns[best.kind])
    log.info("retraining.trained task=%s recipe=%s", ticket["task"], in_words(best))
    kept = registry.log_training(
        ticket["run_id"], model, msgspec.to_builtins(best), rungs(tried), as_table(sample_rows(model)), task.labels
    )
    return {**ticket, "model": kept, "learning_curve": learning_curve(tried[0])}


def validate(ticket: Ticket) -> Ticket:
    """Judge the candidate on the gate block; keep evidence, card and plots in MLflow."""
    registry = _registry()
    whole, model = _thaw(registry, ticket, PARTS), _model(registry, ticket)
    gate = whole.part(GATE)
    settings = load_settings()
    with _refusals_kept(ticket), transaction() as tx:
        standing = opponents.meet(
            tx,
            gate,
            judged_at=datetime.now(UTC),
            error=settings.gate_error_budget,
            gates=settings.gate_budget_gates,
        )
    rules = replace(_rules(whole.task), alpha=standing.allowance.alpha)
    found = assess(whole, model, rules, standing)
    evidence = found.evidence | origin(ticket["run_id"], _dataset(registry, ticket), ticket["model"])
    evidence["learning_curve"] = ticket["learning_curve"]
    if settings.refit_promoted and evidence["verdict"] == GateVerdict.PROMOTE and not ticket["is_dry_run"]:
        again = refit.refit(whole, model)
        kept = registry.log_refit(ticket["run_id"], again, as_table(sample_rows(again)), whole.task.labels)
        ticket, evidence = {**ticket, "model": kept}, refit.as_evidence(whole, again, evidence, kept)
    text = card(whole.task, evidence)
    log.info("retraining.judged task=%s verdict=%s: %s", ticket["task"], evidence["verdict"], evidence["reason"])
    kept = registry.log_assessment(ticket["run_id"], evidence, text, plots(gate.block(), found.answers, evidence))
    return {**ticket, "evidence": kept}


def publish(ticket: Ticket) -> dict[str, str]:
    """Register the version; if it passed, prove its bundle and make it champion.

    Decision, rollout, bundle and policy are one transaction; MLflow's aliases follow it and never hold it up.

    Raises:
        BundleError: if the bundle does not answer like the model; nothing is published then.
    """
    task, registry = _task(ticket), _registry()
    with _refusals_kept(ticket):
        evidence = registry.evidence(ticket["run_id"], ticket["evidence"])
    verdict = GateVerdict(evidence["verdict"])
    if ticket["is_dry_run"]:
        log.info("retraining.dry_run task=%s verdict=%s", ticket["task"], verdict)
        with transaction() as tx:
            requests.close(tx, ticket["retraining"], OUTCOMES[verdict])
        return {"task": ticket["task"], "outcome": OUTCOMES[verdict], "version": ""}
    version = registry.register(ticket["run_id"], task, evidence, card(task, evidence))
    bundle = _proven(registry, ticket, version) if verdict is GateVerdict.PROMOTE else None
    with transaction() as tx:
        decided = Decided(verdict, evidence["reason"], evidence, version.name)
        settled = settle(tx, task, decided, bundle, terms_of(load_settings()))
        outcome = OUTCOMES[settled.verdict] if settled.is_new else UNCHANGED
        requests.close(tx, ticket["retraining"], outcome)
    _mirror(registry, version, settled.verdict)
    return {"task": ticket["task"], "outcome": outcome, "version": version.name}


def _asked_by_hand(form: Form, *, run_id: str | None = None, actor: str | None = None) -> list[Order]:
    # Written down before anything is tried: what fails is tried again without anybody asking twice.
    orders = form.orders(load_settings().tasks)
    with transaction() as tx:
        for order in orders:
            request = uuid.uuid5(uuid.NAMESPACE_OID, f"{run_id} {model_name(order.task)}") if run_id else None
            requests.ask(tx, order, requests.PERSON, actor or "retrain_models", request=request)
    return orders


def _requested() -> list[Order]:
    with transaction() as tx:
        return requests.orders(tx, load_settings().tasks)


def _tickets(frozen: Sequence[tuple[Order, Ticket | str]]) -> list[Ticket]:
    return [ticket for _, ticket in frozen if not isinstance(ticket, str)]


def _collect(orders: Sequence[Order]) -> list[tuple[Order, Ticket | str]]:
    """Return per order its ticket, or what it came to without training."""
    registry = _registry()
    registry.reach()
    return [(order, _freeze(registry, order)) for order in orders]


def _freeze(registry: Registry, order: Order) -> Ticket | str:
    task, settings, retraining = order.task, load_settings(), str(uuid.uuid4())
    with transaction() as tx:
        requests.take(tx, order, retraining)
        whole = collect_rows(tx, task, settings, order.interval)
        latest = store.latest_gate(tx, task)
    recipe = recipe_digest(
        task, _rules(task), settings.words_min_conversations, _columns(task, whole.part(TRAIN, CALIBRATION))
    )
    dataset = describe_rows(whole, recipe, order.reason)
    log.info("retraining.frozen task=%s rows=%d left_out=%s", task.name, len(whole.rows), dict(whole.left_out))
    if is_known(latest, dataset):
        log.info("retraining.unchanged task=%s: same rows and recipe as judged before", task.name)
        with transaction() as tx:
            requests.close(tx, retraining, UNCHANGED)
        return UNCHANGED
    if lack := shortage(whole):
        log.info("retraining.not_enough_data task=%s: %s", task.name, lack)
        with transaction() as tx:
            if not order.is_dry_run:
                settle(tx, task, Decided(GateVerdict.NOT_ENOUGH_DATA, lack, untrained(whole, dataset)))
            requests.close(tx, retraining, OUTCOMES[GateVerdict.NOT_ENOUGH_DATA])
        return OUTCOMES[GateVerdict.NOT_ENOUGH_DATA]
    run_id, kept = registry.start(task, whole.frozen(), dataset)
    return Ticket(
        task=model_name(task), run_id=run_id, retraining=retraining, is_dry_run=order.is_dry_run, dataset=kept
    )


def _columns(task: Task, learnt: TrainingSet) -> ColumnsByKind:
    """Return what candidates see; sentences only where there are few enough to read, and then they help most."""
    return columns_of(task, reads_sentences=load_settings().read_sentences and len(learnt.rows) <= MAX_ROWS)


def _thaw(registry: Registry, ticket: Ticket, parts: Sequence[str]) -> TrainingSet:
    task, dataset = _task(ticket), _dataset(registry, ticket)
    frozen = registry.frozen(ticket["run_id"])
    with _refusals_kept(ticket):
        if frozen_digest(frozen) != dataset["digest"]:
            raise ArtifactError(f"the frozen rows of run {ticket['run_id']} were altered; run the retraining again")
    wanted = frozen[frozen["part"].isin(parts)].reset_index(drop=True)
    with transaction() as tx:
        found = store.conversations(tx, list(wanted["conversation_id"].unique()))
        return thaw(task, wanted, found, read_specification(dataset["specification"]))


def _proven(registry: Registry, ticket: Ticket, version: Registered) -> tuple[str, bytes]:
    model = _model(registry, ticket)
    bundle = export(model, _task(ticket), version.name)
    rows = prove(bundle, model, _thaw(registry, ticket, (GATE,)).rows, load_settings().predict_budget_ms)
    log.info("bundle.proven version=%s digest=%s rows=%d", version.name, bundle.digest[:12], rows)
    return bundle.digest, bundle.content


def _dataset(registry: Registry, ticket: Ticket) -> dict[str, Any]:
    with _refusals_kept(ticket):
        return registry.dataset(ticket["run_id"], ticket["dataset"])


def _model(registry: Registry, ticket: Ticket) -> Pipeline:
    with _refusals_kept(ticket):
        return registry.model(ticket["run_id"], ticket["model"])


@contextmanager
def _refusals_kept(ticket: Ticket) -> Iterator[None]:
    """Keep a record of what was refused, for the alert that reads it, whatever becomes of the run."""
    try:
        yield
    except (ArtifactError, BundleError) as error:
        with transaction() as tx:
            store.refuse_artifact(tx, _task(ticket), run_id=ticket["run_id"], reason=str(error))
        raise


def _mirror(registry: Registry, version: Registered, verdict: GateVerdict) -> None:
    # Postgres has decided: what MLflow shows may be late, and the next look of mirror_registry mends its aliases.
    try:
        registry.mark(version, {"gate": verdict})
        mirror_registry.run()
    except RegistryError as error:
        log.warning("registry.mirror_failed: %s", error)


def _task(ticket: Ticket) -> Task:
    return next(iter(chosen(load_settings().tasks, ticket["task"])))


def _rules(task: Task) -> GateRules:
    settings = load_settings()
    return GateRules(
        task.primary_metric,
        settings.gate_error_budget / settings.gate_budget_gates,
        settings.gate_min_positives,
        task.min_gain,
        Stakes(task.hit_value, task.act_cost),
        max_answer_ms=BUDGET_SHARE * settings.predict_budget_ms,
        max_bundle_bytes=1e6 * settings.gate_max_bundle_mb,
    )


def _registry() -> Registry:
    return Registry(load_settings().mlflow_uri)
