from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Unit

METRIC = Metric(
    "abandonment",
    Unit.SHARE,
    Better.LOWER,
    Owner.SALES,
    "Conversations that the customer left, of those that started in the hour and whose outcome is known: the "
    "outcome that holds is abandoned.",
    rollup="sales",
    dimensions=(
        Dimension.LANGUAGE,
        Dimension.PROGRAM,
        Dimension.PLATFORM,
        Dimension.SOURCE,
        Dimension.ARM,
    ),
)
