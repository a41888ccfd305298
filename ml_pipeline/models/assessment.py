"""A candidate before the gate: its figures, its opponents, the verdict, and the evidence that is kept."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
import numpy as np
from sklearn.pipeline import Pipeline

from ml_pipeline.models.candidates.columns import Columns, number_columns
from ml_pipeline.models.candidates.fit import answers as answers_of
from ml_pipeline.models.candidates.fit import columns_seen, fit, recipe_of
from ml_pipeline.models.candidates.recipe import LinearRecipe, Recipe
from ml_pipeline.models.evaluation import SEED, Duel, Opponent, count_positives, fight, measure
from ml_pipeline.models.gate import GateRules, judge
from ml_pipeline.models.scores import Figures, Numbers, estimate
from ml_pipeline.models.split import CALIBRATION, GATE, PARTS, TRAIN, split_at_random
from ml_pipeline.models.training_set import TrainingSet

PRIOR, RULE = "prior", "rule"


@dataclass(frozen=True, slots=True)
class Assessment:
    """``answers``: of the candidate on the gate block, rows x labels; ``evidence``: goes into ``decisions``."""

    answers: Numbers
    evidence: dict[str, Any]


def assess(
    whole: TrainingSet, model: Pipeline, rules: GateRules, caller: Opponent, champion: Opponent | None
) -> Assessment:
    """Judge ``model`` on the gate block.

    A first champion must beat the prior, the simple rule and ``caller``; later ones must beat ``champion``, and the
    others are measured beside. On a random split the same recipe is measured too, for comparison only.
    """
    gate, heads = whole.part(GATE), model[-1]
    answers = answers_of(model, gate.rows)
    recipe = recipe_of(model)
    baselines = [prior(whole), rule(whole), caller]
    duels = [fight(gate, answers, opponent) for opponent in (*baselines, *([champion] if champion else []))]
    deciding = [duel for duel in duels if champion is None or duel.name == champion.name]
    positives = count_positives(gate)
    judgement = judge(whole.task.primary_metric, positives, deciding, rules)
    evidence = {
        "verdict": judgement.verdict,
        "reason": judgement.reason,
        "primary_metric": whole.task.primary_metric,
        "metrics": _estimates(measure(gate, answers, heads.thresholds_)),
        "baselines": _baselines(whole.task.primary_metric, duels),
        "gains": {name: asdict(gain) for name, gain in judgement.gains.items()},
        "positives": positives,
        "needed": judgement.needed,
        "alpha": rules.alpha,
        "split": describe_split(whole),
        "random_split": {"metrics": _estimates(_on_random_split(whole, recipe, columns_seen(model)))},
        "trained_from": _when(whole.part(TRAIN).rows["started_at"].min()),
        "trained_until": _when(whole.specification.cut_off if whole.specification else gate.rows["started_at"].min()),
        "champion": champion.name if champion else None,
        "recipe": msgspec.to_builtins(recipe),
        "thresholds": _by_label(whole, heads.thresholds_),
        "constant_labels": [label for label, is_constant in _by_label(whole, heads.constant_).items() if is_constant],
    }
    return Assessment(answers, evidence)


def untrained(whole: TrainingSet, dataset: dict[str, Any]) -> dict[str, Any]:
    """Return the evidence of a task that had too little to train on."""
    nothing: dict[str, Any] = {"metrics": {}, "baselines": {}, "gains": {}}
    return {"primary_metric": whole.task.primary_metric, **nothing, "split": describe_split(whole), "dataset": dataset}


def prior(whole: TrainingSet) -> Opponent:
    """Return who always answers each label's share in the training part."""
    train, gate = whole.part(TRAIN), whole.part(GATE)
    shares = np.average(train.truth, axis=0, weights=train.weights)
    return Opponent(PRIOR, np.tile(shares, (len(gate.rows), 1)))


def rule(whole: TrainingSet) -> Opponent:
    """Return the simple rule: logistic regression on how far the conversation is and how much was said, no words."""
    fitted = fit(whole.part(TRAIN), whole.part(CALIBRATION), LinearRecipe(1.0, None, 0), number_columns())
    return Opponent(RULE, answers_of(fitted, whole.part(GATE).rows))


def _on_random_split(whole: TrainingSet, recipe: Recipe, columns: Columns) -> Figures:
    first = whole.rows.drop_duplicates("conversation_id")
    parts = split_at_random(list(first["customer_group"]), SEED)
    shuffled = whole.with_parts(dict(zip(first["conversation_id"], parts, strict=True)))
    fitted = fit(shuffled.part(TRAIN), shuffled.part(CALIBRATION), recipe, columns)
    held = shuffled.part(GATE)
    return measure(held, answers_of(fitted, held.rows), fitted[-1].thresholds_)


def _estimates(found: Figures) -> dict[str, dict[str, float]]:
    return {metric: asdict(estimate(values)) for metric, values in found.items()}


def _baselines(metric: str, duels: Sequence[Duel]) -> dict[str, float | None]:
    return {f"{duel.name}.{metric}": None if np.isnan(duel.theirs) else duel.theirs for duel in duels}


def describe_rows(whole: TrainingSet, recipe_digest: str, asked_because: str) -> dict[str, Any]:
    """Return what is kept of the rows besides themselves: the ``dataset`` of the evidence."""
    return {
        "digest": whole.digest,
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


def describe_split(whole: TrainingSet) -> dict[str, Any]:
    """Return per part: conversations, rows, from and to (starts of its first and last conversation), positives.

    ``positives`` as in ``count_positives``; ``labels`` counts each label, once a conversation where it holds for one.
    """
    return {"kind": "time"} | {name: _describe_part(whole.part(name)) for name in PARTS}


def _describe_part(part: TrainingSet) -> dict[str, Any]:
    starts = part.rows["started_at"]
    return {
        "conversations": len(part.conversation_ids),
        "rows": len(part.rows),
        "from": _when(starts.min()) if len(starts) else None,
        "to": _when(starts.max()) if len(starts) else None,
        "positives": count_positives(part),
        "labels": {label: int(count) for label, count in zip(part.task.labels, part.cases().sum(axis=0), strict=True)},
    }


def _when(at: Any) -> str:
    return str(at.isoformat())


def _by_label(whole: TrainingSet, values: Any) -> dict[str, Any]:
    return dict(zip(whole.task.labels, values.tolist(), strict=True))
