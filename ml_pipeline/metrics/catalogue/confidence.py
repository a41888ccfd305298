from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Unit

METRIC = Metric(
    "confidence",
    Unit.SHARE,
    Better.NEITHER,
    Owner.MODELS,
    "Mean over answers of the highest probability; of a task with a single label, of the likelier side.",
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
