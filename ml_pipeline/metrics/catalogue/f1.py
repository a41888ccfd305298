from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Unit

METRIC = Metric(
    "f1",
    Unit.SHARE,
    Better.HIGHER,
    Owner.MODELS,
    "Twice the labels rightly predicted, of labels predicted plus labels true: the harmonic mean of "
    "precision and recall, over all labels (micro).",
    rollup="truth",
    dimensions=(Dimension.LABEL,),
)
