from ml_pipeline.metrics.metric import Better, Family, Metric, Unit

FAMILY = Family(
    "confidence",
    (
        Metric(
            "confidence",
            Unit.SHARE,
            Better.NEITHER,
            "Mean over answers of the highest probability; of a task with a single label, of the likelier side.",
        ),
    ),
)
