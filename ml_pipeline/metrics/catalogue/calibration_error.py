from ml_pipeline.metrics.calibration_error import expected_calibration_error
from ml_pipeline.metrics.metric import Better, Compound, Owner, Unit

METRIC = Compound(
    "calibration_error",
    Unit.SHARE,
    Better.LOWER,
    Owner.MODELS,
    "Mean distance of the probabilities of a tenth from the share that came true of them (ECE of ten "
    "equal tenths), over answers and labels of the period.",
    of="calibration_gap",
    measure=expected_calibration_error,
)
