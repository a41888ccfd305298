from ml_pipeline.metrics.metric import Better, Dimension, MeanOverAll, Metric, Owner, Unit

METRIC = Metric(
    "revenue",
    Unit.MONEY,
    Better.HIGHER,
    Owner.SALES,
    "Value sold in one currency, before refunds, per conversation that started in the hour and whose "
    "value is known; a conversation that was not sold counts with 0.",
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
