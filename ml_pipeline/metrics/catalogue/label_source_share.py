from ml_pipeline.metrics.metric import Better, Dimension, MeanOverAll, Metric, Owner, Unit

METRIC = Metric(
    "label_source_share",
    Unit.SHARE,
    Better.NEITHER,
    Owner.MODELS,
    "Slice label_source=…: truths from this source, of all truths behind the accuracy, precision and "
    "calibration of the hour, counted per answer and label.",
    rollup="label_sources",
    dimensions=(Dimension.LABEL_SOURCE,),
    merge=MeanOverAll(),
    is_only_sliced=True,
)
