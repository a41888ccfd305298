from ml_pipeline.metrics.metric import Better, Family, Metric, Unit

FAMILY = Family(
    "label_sources",
    (
        Metric(
            "label_source_share",
            Unit.SHARE,
            Better.NEITHER,
            "Slice source=…: truths from this source, of all truths behind the accuracy, precision and calibration of "
            "the hour, counted per answer and label.",
        ),
    ),
)
