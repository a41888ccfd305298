import numpy as np
import pytest

from ml_pipeline.models.candidates.columns import WEIGHTS, columns_of
from ml_pipeline.models.candidates.fit import fit
from ml_pipeline.models.candidates.recipe import LinearRecipe
from ml_pipeline.models.export import export, prove
from ml_pipeline.models.scaled_counts import ScaledCounts
from ml_pipeline.models.training_set import assemble
from ml_pipeline.vocabulary.tasks import CONVERSION
from tests.unit.test_models_candidate import DETECT, conversations


@pytest.fixture(scope="module")
def sold():
    """A model of who buys, and the rows it was made of."""
    rows = assemble(CONVERSION, conversations(80))
    columns = columns_of(CONVERSION)["linear"]
    return fit(rows.part("train"), rows.part("calibration"), LinearRecipe(2.0, None, 5), columns), rows


@pytest.mark.parametrize("task", [DETECT, CONVERSION])
def test_a_weight_is_in_the_columns_and_in_the_bundle_alike(task):
    rows = assemble(task, conversations(80))
    columns = columns_of(task)["linear"]
    model = fit(rows.part("train"), rows.part("calibration"), LinearRecipe(2.0, None, 5), columns)

    weights = model.named_steps["columns"].transformer_weights

    assert weights == {name: WEIGHTS[name] for name, _, _ in columns if name in WEIGHTS}
    assert prove(export(model, task, "v/1"), model, rows.rows, 1_000) == len(rows.rows)


def test_what_a_customer_says_adds_up_where_one_truth_holds_for_the_conversation(sold):
    model, rows = sold
    once = rows.rows.iloc[[-1]].assign(history="cannot afford that price")

    said = [once, once.assign(history="cannot afford that price believe you scam")]
    shares = [model.named_steps["columns"].transform(model.named_steps["words"].transform(row)) for row in said]

    place = model.named_steps["columns"].output_indices_["dialogue_evidence"]
    few, many = (float(np.asarray(share[:, place].sum())) for share in shares)
    assert few > 0
    assert many > 1.3 * few


def test_counts_are_read_by_their_logarithm_and_none_below_nothing():
    counts = np.array([[0.0], [9.0], [99.0]])

    read = ScaledCounts().fit(counts).transform(np.array([[0.0], [9.0], [99.0], [-5.0]]))

    assert read[2, 0] - read[1, 0] == pytest.approx(read[1, 0] - read[0, 0])
    assert read[3, 0] == read[0, 0]
