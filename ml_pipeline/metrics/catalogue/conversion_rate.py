from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Unit

METRIC = Metric(
    "conversion_rate",
    Unit.SHARE,
    Better.HIGHER,
    Owner.SALES,
    "Conversations sold, of those that started in the hour and whose end is known by now.",
    rollup="sales",
    dimensions=(
        Dimension.LABEL_SOURCE,
        Dimension.LANGUAGE,
        Dimension.PROGRAM,
        Dimension.PLATFORM,
        Dimension.SOURCE,
        Dimension.ARM,
    ),
)
