from ml_pipeline.metrics.metric import Better, Family, Metric, Unit

FAMILY = Family(
    "sales",
    (
        Metric(
            "conversion_rate",
            Unit.SHARE,
            Better.HIGHER,
            "Conversations sold, of those that started in the hour and whose end is known by now.",
        ),
        Metric(
            "revenue",
            Unit.MONEY,
            Better.HIGHER,
            "Slice currency=…: value in this currency, per conversation that started in the hour and whose value is "
            "known; a conversation that was not sold counts with 0.",
        ),
        Metric(
            "satisfaction",
            Unit.SCORE,
            Better.HIGHER,
            "Mean of the last satisfaction given, of conversations that started in the hour and have one.",
        ),
    ),
)
