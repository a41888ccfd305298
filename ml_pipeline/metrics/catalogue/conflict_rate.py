from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Unit

METRIC = Metric(
    "conflict_rate",
    Unit.SHARE,
    Better.LOWER,
    Owner.MODELS,
    "Truths that a source ranked lower tells otherwise, of all truths about conversations that started in the hour. "
    "Slice label_source=…: that this source tells otherwise.",
    rollup="conflicts",
    dimensions=(Dimension.LABEL_SOURCE,),
)
