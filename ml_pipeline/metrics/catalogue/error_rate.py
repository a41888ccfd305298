from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Unit

METRIC = Metric(
    "error_rate",
    Unit.SHARE,
    Better.LOWER,
    Owner.AGENT,
    "Failures, of answers plus counted errors: a failure is what an error event counts, a fallback, or an "
    "answer that carries an error. From the log, for failures make no facts.",
    rollup="errors",
    dimensions=(Dimension.SOURCE,),
)
