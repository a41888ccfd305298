from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Unit

METRIC = Metric(
    "conversations_per_hour",
    Unit.PER_HOUR,
    Better.NEITHER,
    Owner.AGENT,
    "Conversations whose first event lies in the hour; over several hours, the mean of those that have any.",
    rollup="sales",
    dimensions=(Dimension.LANGUAGE, Dimension.PROGRAM, Dimension.PLATFORM, Dimension.SOURCE, Dimension.ARM),
)
