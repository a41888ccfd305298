from ml_pipeline.metrics.metric import Better, Family, Metric, Unit

FAMILY = Family(
    "accuracy",
    (
        Metric(
            "accuracy",
            Unit.SHARE,
            Better.HIGHER,
            "Answers whose labels are exactly the true ones, of all answers whose truth is known. "
            "Slice label=…: answers that say this label rightly, yes or no.",
        ),
    ),
)
