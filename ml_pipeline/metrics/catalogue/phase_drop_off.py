from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Unit

METRIC = Metric(
    "phase_drop_off",
    Unit.SHARE,
    Better.LOWER,
    Owner.SALES,
    "Slice phase=…: conversations whose last phase is this one and that were not sold, of those that started "
    "in the hour, reached this phase and whose end is known. Phases are those that the predictions carry; who "
    "never predicts has none.",
    rollup="funnel",
    dimensions=(Dimension.PHASE,),
    is_only_sliced=True,
)
