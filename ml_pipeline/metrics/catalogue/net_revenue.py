from ml_pipeline.metrics.metric import Better, Dimension, MeanOverAll, Metric, Owner, Unit

METRIC = Metric(
    "net_revenue",
    Unit.MONEY,
    Better.HIGHER,
    Owner.SALES,
    "As revenue, after refunds.",
    rollup="revenue",
    dimensions=(
        Dimension.CURRENCY,
        Dimension.LANGUAGE,
        Dimension.PROGRAM,
        Dimension.PLATFORM,
        Dimension.SOURCE,
        Dimension.ARM,
    ),
    merge=MeanOverAll(),
    is_only_sliced=True,
)
