from ml_pipeline.metrics.metric import Better, Family, Metric, Unit

FAMILY = Family(
    "precision_recall",
    (
        Metric(
            "precision",
            Unit.SHARE,
            Better.HIGHER,
            "Predicted labels that are true, of all labels predicted where the truth is known. "
            "Slice label=…: of this one.",
        ),
        Metric(
            "recall",
            Unit.SHARE,
            Better.HIGHER,
            "True labels that were predicted, of all true labels where there is an answer. Slice label=…: of this one.",
        ),
        Metric(
            "f1",
            Unit.SHARE,
            Better.HIGHER,
            "Twice the labels rightly predicted, of labels predicted plus labels true: the harmonic mean of precision "
            "and recall, over all labels (micro). Slice label=…: of this one.",
        ),
    ),
)
