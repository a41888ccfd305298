from ml_pipeline.metrics.metric import Better, Family, Metric, Unit

FAMILY = Family(
    "errors",
    (
        Metric(
            "error_rate",
            Unit.SHARE,
            Better.LOWER,
            "Failures, of answers plus counted errors: a failure is what an error event counts, a fallback, or an "
            "answer that carries an error. From the log, for failures make no facts.",
        ),
    ),
)
