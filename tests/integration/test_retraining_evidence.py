"""What a retraining leaves for whoever decides later: the triggers, and a person who compares runs in MLflow."""

from datetime import UTC, datetime
from typing import Any

import mlflow
import pandas as pd

from ml_pipeline.database.engine import transaction
from ml_pipeline.jobs import retrain_models as job
from ml_pipeline.models.candidates.search import RUNGS
from ml_pipeline.models.specification import Window
from ml_pipeline.models.triggers import store as triggers
from ml_pipeline.settings import load_settings
from tests.integration.retraining import TASK, client, rows


def evidence(database) -> dict[str, Any]:
    (decision,) = rows(database, "SELECT evidence FROM decisions WHERE kind = 'gate'")
    return dict(decision["evidence"])


def test_the_next_look_of_the_triggers_sees_the_learning_curve_of_the_search(database, judged):
    job.publish(judged)

    with transaction() as tx:
        found = triggers.standing(tx, load_settings().tasks[0], datetime.now(UTC), Window(0.1, is_from_start=False))

    assert found.judged is not None
    told = [
        {"conversations": point.conversations, "value": point.value, "low": point.low, "high": point.high}
        for point in found.judged.curve
    ]
    assert told == judged["learning_curve"] == evidence(database)["learning_curve"]
    assert len(told) == len(RUNGS)
    assert told[-1]["conversations"] < found.judged.conversations


def test_a_run_shows_what_was_tried_and_how_the_candidate_did_without_its_files_being_read(database, champion):
    version = client().get_model_version_by_alias(TASK, "champion")
    run = client().get_run(version.run_id)

    tried = pd.read_csv(mlflow.artifacts.download_artifacts(f"runs:/{version.run_id}/search.csv"))
    curve = client().get_metric_history(version.run_id, "learning_curve/macro_ap")

    assert {artifact.path for artifact in client().list_artifacts(version.run_id)} >= {
        "calibration.png",
        "precision_recall.png",
        "confusion.png",
        "learning_curve.png",
        "slices.png",
        "search.csv",
    }
    assert run.info.run_name == champion
    assert run.data.params["kind"] == "linear"
    assert f"strength={run.data.params['strength']}" in tried["recipe"][0]
    assert list(tried.columns) == ["place", "recipe", "conversations", "value", "low", "high"]
    kept = evidence(database)
    assert [(point.step, point.value) for point in curve] == [
        (point["conversations"], point["value"]) for point in kept["learning_curve"]
    ]
    assert run.data.metrics["threshold/price"] == kept["thresholds"]["price"]
    slices = {name: value for name, value in run.data.metrics.items() if name.startswith("slice/")}
    assert slices == {f"slice/{place['name'].replace('=', '_')}": place["ours"] for place in kept["slices"]}
