from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Unit

METRIC = Metric(
    "predictions_per_hour",
    Unit.PER_HOUR,
    Better.NEITHER,
    Owner.AGENT,
    "Answers of the hour, per task, mode and version; over several hours, the mean of those that have any.",
    rollup="answers",
    dimensions=(
        Dimension.LANGUAGE,
        Dimension.PROGRAM,
        Dimension.PLATFORM,
        Dimension.SOURCE,
        Dimension.PHASE,
        Dimension.ARM,
    ),
)
