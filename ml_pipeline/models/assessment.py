"""A candidate before the gate: its figures, its opponents, the verdict, and the evidence that is kept."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
import numpy as np
from sklearn.pipeline import Pipeline

from ml_pipeline.errors import BundleError
from ml_pipeline.models.candidates.columns import Columns
from ml_pipeline.models.candidates.fit import answers as answers_of
from ml_pipeline.models.candidates.fit import columns_seen, fit, recipe_of
from ml_pipeline.models.candidates.recipe import Recipe
from ml_pipeline.models.clustered import figures
from ml_pipeline.models.export import PROOF_ROWS, answer_ms, export
from ml_pipeline.models.gate import Answers, Artifact, GateRules, judge
from ml_pipeline.models.gate.duels import Duel, fight
from ml_pipeline.models.gate.places import Slices
from ml_pipeline.models.opponents import Standing, prior, rule
from ml_pipeline.models.personal_terms import personal_terms
from ml_pipeline.models.scores import Numbers
from ml_pipeline.models.split import CALIBRATION, GATE, PARTS, TRAIN, split_at_random
from ml_pipeline.models.stress import stressed
from ml_pipeline.models.training_set import TrainingSet

CANDIDATE = "candidate"
SLICES = ("language", "program", "platform", "age_band", "phase")
"""Columns by which the gate block is divided, beside whether the customer was seen before."""
SEED = 20_240_229
MOST_RANDOM_ROWS = 40_000
"""So many, of conversations drawn at random, are split at random: what decides nothing may not cost most."""

Evidence = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Assessment:
    """``answers``: of the candidate on the gate block, rows x labels; ``evidence``: goes into ``decisions``."""

    answers: Numbers
    evidence: Evidence


def assess(whole: TrainingSet, model: Pipeline, rules: GateRules, standing: Standing) -> Assessment:
    """Judge ``model`` on the gate block.

    A first champion must beat the prior, the simple rule and the caller; later ones must beat the champion, and the
    others are measured beside. On a random split the same recipe is measured too, for comparison only.
    """
    gate = whole.part(GATE)
    block, champion = gate.block(), standing.champion
    candidate = _answered(gate, model)
    baselines = [prior(whole), rule(whole), standing.caller]
    judgement = judge(
        block,
        candidate,
        opponents=[champion] if champion else baselines,
        rules=rules,
        slices=slices_of(gate),
        artifact=weigh(model, gate),
    )
    met = [*baselines, *([champion] if champion else [])]
    duels = [fight(block, candidate.probabilities, opponent, rules.metric) for opponent in met]
    evidence = asdict(judgement) | {
        "primary_metric": rules.metric,
        "metrics": _estimates(gate, candidate.probabilities, model),
        "baselines": _baselines(rules.metric, duels),
        "positives": block.examples(),
        "budget": _budget(standing, judgement.alpha),
        "split": describe_split(whole),
        "random_split": _on_random_split(whole, recipe_of(model), columns_seen(model)),
        "trained_from": _when(whole.part(TRAIN).rows["started_at"].min()),
        "trained_until": _when(whole.specification.cut_off if whole.specification else gate.rows["started_at"].min()),
        "age_days": _age_days(whole, standing),
        "serving_mix": dict(standing.serving_mix),
        "champion": champion.name if champion else None,
        "recipe": msgspec.to_builtins(recipe_of(model)),
        "thresholds": _by_label(whole, model[-1].thresholds_),
        "constant_labels": [label for label, is_one in _by_label(whole, model[-1].constant_).items() if is_one],
    }
    return Assessment(candidate.probabilities, evidence)


def _answered(gate: TrainingSet, model: Pipeline) -> Answers:
    worse = stressed(gate.rows, lambda rows: answers_of(model, rows))
    return Answers(CANDIDATE, answers_of(model, gate.rows), worse)


def slices_of(gate: TrainingSet) -> Slices:
    """Return by what the gate block is divided, and the value of each row; "" where it is not known."""
    found = {name: gate.rows[name].fillna("").to_numpy(dtype=str) for name in SLICES}
    seen = gate.rows["is_seen_before"].to_numpy(dtype=bool)
    return found | {"customer": np.where(seen, "seen before", "new")}


def weigh(model: Pipeline, gate: TrainingSet) -> Artifact:
    """Return what the agent would have to carry."""
    personal = personal_terms(model)
    try:
        bundle = export(model, gate.task, CANDIDATE)
    except BundleError as error:
        return Artifact(0.0, 0, personal, refusal=str(error))
    rows = gate.rows.sample(min(PROOF_ROWS, len(gate.rows)), random_state=0)
    return Artifact(answer_ms(bundle, rows), len(bundle.content), personal)


def untrained(whole: TrainingSet, dataset: Evidence) -> Evidence:
    """Return the evidence of a task that had too little to train on."""
    nothing: Evidence = {"metrics": {}, "baselines": {}, "gains": {}}
    return {"primary_metric": whole.task.primary_metric, **nothing, "split": describe_split(whole), "dataset": dataset}


def _budget(standing: Standing, alpha: float) -> Evidence:
    allowance = standing.allowance
    return asdict(allowance) | {"alpha": alpha, "spent": allowance.spent + alpha}


def _age_days(whole: TrainingSet, standing: Standing) -> float | None:
    newest = whole.newest_taught_at
    return None if newest is None else round((standing.judged_at - newest).total_seconds() / 86_400, 2)


def _on_random_split(whole: TrainingSet, recipe: Recipe, columns: Columns) -> Evidence:
    first = whole.rows.drop_duplicates("conversation_id")
    most = MOST_RANDOM_ROWS * len(first) // len(whole.rows)
    first = first.sample(min(most, len(first)), random_state=SEED).sort_index()
    parts = split_at_random(list(first["customer_group"]), SEED)
    shuffled = whole.with_parts(dict(zip(first["conversation_id"], parts, strict=True)))
    fitted = fit(shuffled.part(TRAIN), shuffled.part(CALIBRATION), recipe, columns)
    held = shuffled.part(GATE)
    return {"conversations": len(first), "metrics": _estimates(held, answers_of(fitted, held.rows), fitted)}


def _estimates(rows: TrainingSet, answers: Numbers, model: Pipeline) -> Evidence:
    found = figures(rows.block(), answers, model[-1].thresholds_)
    return {metric: asdict(score.estimate()) for metric, score in found.items()}


def _baselines(metric: str, duels: Iterable[Duel]) -> dict[str, float | None]:
    return {f"{duel.name}.{metric}": None if duel.gain is None else duel.their_value for duel in duels}


def describe_rows(whole: TrainingSet, recipe_digest: str, asked_because: str) -> Evidence:
    """Return what is kept of the rows besides themselves: the ``dataset`` of the evidence."""
    return {
        "digest": whole.digest,
        "learnt_digest": whole.part(TRAIN, CALIBRATION).digest,
        "recipe_digest": recipe_digest,
        "asked_because": asked_because,
        "rows": len(whole.rows),
        "conversations": len(whole.conversation_ids),
        "label_sources": {str(name): int(count) for name, count in whole.rows["label_source"].value_counts().items()},
        "left_out": dict(whole.left_out),
        "unknown_labels": dict(whole.unknown_labels),
        "newest_taught_at": _when(newest) if (newest := whole.newest_taught_at) is not None else None,
        "specification": whole.specification.as_document() if whole.specification else None,
        "specification_digest": whole.specification.digest if whole.specification else None,
    }


def describe_split(whole: TrainingSet) -> Evidence:
    """Return per part: conversations, rows, from and to (starts of its first and last conversation), positives.

    ``positives`` as the gate counts them; ``labels`` counts each label, once a conversation where it holds for one.
    """
    return {"kind": "time"} | {name: _describe_part(whole.part(name)) for name in PARTS}


def _describe_part(part: TrainingSet) -> Evidence:
    starts = part.rows["started_at"]
    return {
        "conversations": len(part.conversation_ids),
        "rows": len(part.rows),
        "from": _when(starts.min()) if len(starts) else None,
        "to": _when(starts.max()) if len(starts) else None,
        "positives": part.block().examples(),
        "labels": {label: int(count) for label, count in zip(part.task.labels, part.cases().sum(axis=0), strict=True)},
    }


def _when(at: Any) -> str:
    return str(at.isoformat())


def _by_label(whole: TrainingSet, values: Any) -> Evidence:
    return dict(zip(whole.task.labels, values.tolist(), strict=True))
