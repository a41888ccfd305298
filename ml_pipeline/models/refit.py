"""What passed its gate is trained again on the rows that judged it too: fresher by the gate block, unproven itself."""

from typing import Any

from sklearn.pipeline import Pipeline

from ml_pipeline.models.candidates.fit import columns_seen, fit, recipe_of
from ml_pipeline.models.specification import just_after
from ml_pipeline.models.split import CALIBRATION, TRAIN, split_at
from ml_pipeline.models.training_set import TrainingSet, without_derived_judges


def refit(whole: TrainingSet, model: Pipeline) -> Pipeline:
    """Return another model of the recipe of ``model``: all but the newest conversations train, those calibrate."""
    first = whole.rows.drop_duplicates("conversation_id")
    starts = [at.timestamp() for at in first["started_at"]]
    parts = split_at(starts, just_after(first["started_at"].max()).timestamp())
    again = without_derived_judges(whole.with_parts(dict(zip(first["conversation_id"], parts, strict=True))))
    return fit(again.part(TRAIN), again.part(CALIBRATION), recipe_of(model), columns_seen(model))


def as_evidence(whole: TrainingSet, again: Pipeline, gated: dict[str, Any], model_sha256: str) -> dict[str, Any]:
    """Return the evidence of the gated version as that of the one that serves in its place.

    Figures stay those of the gate. ``trained_until`` is the refit's: what began before may judge nobody who follows it.
    """
    thresholds = dict(zip(whole.task.labels, again[-1].thresholds_.tolist(), strict=True))
    kept = {name: gated[name] for name in ("trained_until", "model_sha256", "thresholds")}
    until = just_after(whole.rows["started_at"].max()).isoformat()
    return gated | {
        "trained_until": until, "model_sha256": model_sha256, "thresholds": thresholds,
        "refit": {"conversations": len(whole.conversation_ids), "rows": len(whole.rows), "gated": kept},
    }  # fmt: skip
