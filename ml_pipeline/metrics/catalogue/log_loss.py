from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Unit

METRIC = Metric(
    "log_loss",
    Unit.NATS,
    Better.LOWER,
    Owner.MODELS,
    "Mean of minus the logarithm of the probability given to what turned out true, over answers and "
    "labels; probabilities are kept 1e-9 away from 0 and 1.",
    rollup="truth",
    dimensions=(Dimension.LABEL, Dimension.LABEL_SOURCE, Dimension.LANGUAGE, Dimension.PHASE),
)
