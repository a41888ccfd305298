from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Unit

METRIC = Metric(
    "precision",
    Unit.SHARE,
    Better.HIGHER,
    Owner.MODELS,
    "Predicted labels that are true, of all labels predicted where the truth is known.",
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
