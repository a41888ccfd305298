from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Unit

METRIC = Metric(
    "recall",
    Unit.SHARE,
    Better.HIGHER,
    Owner.MODELS,
    "True labels that were predicted, of all true labels where there is an answer.",
    rollup="truth",
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
