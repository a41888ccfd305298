from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Unit

METRIC = Metric(
    "accuracy",
    Unit.SHARE,
    Better.HIGHER,
    Owner.MODELS,
    "Answers whose labels are exactly the true ones, of all answers whose truth is known. Slice label=…: "
    "answers that say this label rightly, yes or no.",
    rollup="accuracy",
    dimensions=(
        Dimension.LABEL,
        Dimension.LABEL_SOURCE,
        Dimension.LANGUAGE,
        Dimension.PROGRAM,
        Dimension.PLATFORM,
        Dimension.SOURCE,
        Dimension.PHASE,
        Dimension.ARM,
    ),
)
