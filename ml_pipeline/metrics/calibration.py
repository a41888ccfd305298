from ml_pipeline.metrics.metric import Better, Family, Metric, Unit

FAMILY = Family(
    "calibration",
    (
        Metric(
            "brier",
            Unit.SHARE,
            Better.LOWER,
            "Mean squared distance of the probability from the truth (1 or 0), over answers and labels.",
        ),
        Metric(
            "log_loss",
            Unit.NATS,
            Better.LOWER,
            "Mean of minus the logarithm of the probability given to what turned out true, over answers and labels; "
            "probabilities are kept 1e-9 away from 0 and 1.",
        ),
    ),
)
