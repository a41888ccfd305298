from ml_pipeline.metrics.metric import Better, Family, Metric, Unit

FAMILY = Family(
    "latency",
    (
        Metric(
            "latency_mean",
            Unit.MILLISECONDS,
            Better.LOWER,
            "Mean time an answer took, of answers that carry it; its row holds the histogram.",
        ),
        Metric("latency_p50", Unit.MILLISECONDS, Better.LOWER, "Half of the answers of the hour took at most this."),
        Metric("latency_p95", Unit.MILLISECONDS, Better.LOWER, "95 % of the answers of the hour took at most this."),
        Metric("latency_p99", Unit.MILLISECONDS, Better.LOWER, "99 % of the answers of the hour took at most this."),
    ),
)
