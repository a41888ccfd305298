from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Quantile, Unit

METRIC = Metric(
    "latency_p50",
    Unit.MILLISECONDS,
    Better.LOWER,
    Owner.AGENT,
    "Half of the answers of the hour took at most this.",
    rollup="latency",
    dimensions=(Dimension.PLATFORM, Dimension.PHASE),
    merge=Quantile(0.5, of="latency_mean"),
)
