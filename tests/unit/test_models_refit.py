from datetime import datetime, timedelta

import numpy as np
import pytest

from ml_pipeline.models import refit as refitting
from ml_pipeline.models.candidates.columns import word_columns
from ml_pipeline.models.candidates.fit import fit, recipe_of
from ml_pipeline.models.candidates.recipe import LinearRecipe
from ml_pipeline.models.export import export, prove
from ml_pipeline.models.refit import as_evidence, refit
from ml_pipeline.models.split import CALIBRATION_SHARE, MOST_CALIBRATE, split_in_time
from ml_pipeline.models.training_set import TrainingSet, assemble
from tests.unit.test_models_candidate import DETECT, conversations


@pytest.fixture(scope="module")
def rows() -> TrainingSet:
    return assemble(DETECT, conversations(80))


@pytest.fixture(scope="module")
def model(rows):
    return fit(rows.part("train"), rows.part("calibration"), LinearRecipe(3.0, None, 5), word_columns(DETECT))


def test_what_calibrated_before_trains_a_refit_and_who_judged_calibrates_it(rows, model):
    new_word = np.where(rows.rows["part"] == "calibration", "zymurgy " + rows.rows["current"], rows.rows["current"])

    again = refit(TrainingSet(DETECT, rows.rows.assign(current=new_word), rows.truth), model)

    assert "zymurgy" not in model.named_steps["words"].words_
    assert "zymurgy" in again.named_steps["words"].words_
    assert recipe_of(again) == recipe_of(model)
    assert (again[-1].sigmoids_ != model[-1].sigmoids_).any()


def test_a_refit_runs_in_a_bundle_as_the_agent_would(rows, model):
    again = refit(rows, model)

    assert prove(export(again, DETECT, "objection.detect/2"), again, rows.rows, 1_000) == len(rows.rows)


def test_labels_that_a_tagger_derived_never_calibrate_a_refit(rows, model, monkeypatch):
    told = []
    monkeypatch.setattr(refitting, "fit", lambda *parts: told.append(parts))
    sources = np.where(np.arange(len(rows.rows)) % 2, "derived", "human")

    refit(TrainingSet(DETECT, rows.rows.assign(label_source=sources), rows.truth), model)

    ((train, calibration, *_),) = told
    assert set(train.rows["label_source"]) == {"derived", "human"}
    assert set(calibration.rows["label_source"]) == {"human"}
    assert train.rows["started_at"].max() < calibration.rows["started_at"].min()


def test_the_evidence_keeps_the_gated_version_and_who_follows_is_judged_after_the_refit(rows, model):
    gated = {
        "trained_until": "2026-03-03T00:00:00+00:00",
        "model_sha256": "gated",
        "thresholds": {},
        "metrics": {"f1": 1},
    }

    found = as_evidence(rows, model, gated, "refitted")

    assert found["refit"]["gated"] == {name: gated[name] for name in ("trained_until", "model_sha256", "thresholds")}
    assert found["model_sha256"] == "refitted"
    assert found["metrics"] == gated["metrics"]
    last = rows.rows["started_at"].max().to_pydatetime()
    assert timedelta(0) < datetime.fromisoformat(found["trained_until"]) - last < timedelta(seconds=1)


@pytest.mark.parametrize("count", [400, 40_000])
def test_the_newest_fifth_calibrates_and_never_more_than_two_parameters_need(count):
    parts = list(split_in_time(range(count)))
    learning = round(count * 0.75)

    calibrating = [place for place, part in enumerate(parts) if part == "calibration"]

    assert len(calibrating) == min(round(learning * CALIBRATION_SHARE), MOST_CALIBRATE)
    assert calibrating[-1] == learning - 1
