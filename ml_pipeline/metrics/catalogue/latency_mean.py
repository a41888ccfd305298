from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Unit

METRIC = Metric(
    "latency_mean",
    Unit.MILLISECONDS,
    Better.LOWER,
    Owner.AGENT,
    "Mean time an answer took, of answers that carry it; its row holds the histogram.",
    rollup="latency",
    dimensions=(Dimension.PLATFORM, Dimension.PHASE),
)
