from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Unit

METRIC = Metric(
    "talk_ratio",
    Unit.SHARE,
    Better.NEITHER,
    Owner.SALES,
    "Characters that the agent said, of all that were said, averaged over conversations that started in the hour.",
    rollup="funnel",
    dimensions=(Dimension.LANGUAGE, Dimension.PROGRAM, Dimension.PLATFORM, Dimension.SOURCE, Dimension.ARM),
)
