import subprocess
from functools import partial

import numpy as np
import pytest
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from ml_pipeline.errors import ArtifactError
from ml_pipeline.models.candidates.columns import columns_of
from ml_pipeline.models.candidates.fit import answers, fit
from ml_pipeline.models.candidates.recipe import LinearRecipe, TreeRecipe
from ml_pipeline.models.registry.model_file import MODEL_FILE, file_digest, import_skops, load
from ml_pipeline.models.training_set import assemble
from ml_pipeline.vocabulary.tasks import CONVERSION
from tests.unit.test_models_candidate import conversations


@pytest.mark.parametrize("recipe", [LinearRecipe(1.0, None, 5), TreeRecipe(10, 4, 20, 0.1)], ids=lambda one: one.kind)
def test_a_model_of_every_kind_comes_back_from_its_file(recipe, tmp_path):
    rows = assemble(CONVERSION, conversations(80))
    model = fit(rows.part("train"), rows.part("calibration"), recipe, columns_of(CONVERSION)[recipe.kind])
    path = tmp_path / MODEL_FILE
    import_skops().dump(model, path)

    found = load(tmp_path, file_digest(path), "a test")

    gate = rows.part("gate").rows
    assert np.array_equal(answers(found, gate), answers(model, gate))


def test_a_partial_of_what_is_not_listed_is_refused(tmp_path):
    path = tmp_path / MODEL_FILE
    import_skops().dump(Pipeline([("step", FunctionTransformer(partial(subprocess.run, "true")))]), path)

    with pytest.raises(ArtifactError, match="subprocess"):
        load(tmp_path, file_digest(path), "a test")
