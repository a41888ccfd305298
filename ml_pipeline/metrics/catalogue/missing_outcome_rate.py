from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Unit

METRIC = Metric(
    "missing_outcome_rate",
    Unit.SHARE,
    Better.LOWER,
    Owner.AGENT,
    "Conversations of which nobody told how they ended, neither by an outcome nor by a label of the sale, of those "
    "that started in the hour.",
    rollup="sales",
    dimensions=(Dimension.LANGUAGE, Dimension.PROGRAM, Dimension.PLATFORM, Dimension.SOURCE, Dimension.ARM),
)
