from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Unit

METRIC = Metric(
    "calibration_gap",
    Unit.POINTS,
    Better.NEITHER,
    Owner.MODELS,
    "Slice probability=…: mean probability minus the share that came true, over answers and labels whose "
    "probability lies in this tenth.",
    rollup="calibration",
    dimensions=(Dimension.PROBABILITY,),
    is_only_sliced=True,
)
