from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Unit

METRIC = Metric(
    "turns_per_hour",
    Unit.PER_HOUR,
    Better.NEITHER,
    Owner.AGENT,
    "Messages of the hour, of customers and agents; over several hours, the mean of those that have any.",
    rollup="turns",
    dimensions=(Dimension.LANGUAGE, Dimension.PROGRAM, Dimension.PLATFORM, Dimension.SOURCE),
)
