from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Unit

METRIC = Metric(
    "satisfaction",
    Unit.SCORE,
    Better.HIGHER,
    Owner.SALES,
    "Mean of the last satisfaction given, of conversations that started in the hour and have one.",
    rollup="sales",
    dimensions=(Dimension.LANGUAGE, Dimension.PROGRAM, Dimension.PLATFORM, Dimension.SOURCE, Dimension.ARM),
)
