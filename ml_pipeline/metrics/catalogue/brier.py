from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Unit

METRIC = Metric(
    "brier",
    Unit.SHARE,
    Better.LOWER,
    Owner.MODELS,
    "Mean squared distance of the probability from the truth (1 or 0), over answers and labels.",
    rollup="truth",
    dimensions=(Dimension.LABEL, Dimension.LABEL_SOURCE, Dimension.LANGUAGE, Dimension.PHASE),
)
