from ml_pipeline.metrics.metric import Better, Dimension, Metric, Owner, Unit

METRIC = Metric(
    "turns_to_objection",
    Unit.TURNS,
    Better.NEITHER,
    Owner.SALES,
    "Turns of the customer up to the first objection, that one counted, averaged over conversations that "
    "started in the hour and have one. The first objection is that of the acts; where they tell none, that of "
    "the labels. Slice label=…: its kind; label_source=…: who read or told it.",
    rollup="funnel",
    dimensions=(
        Dimension.LABEL,
        Dimension.LABEL_SOURCE,
        Dimension.LANGUAGE,
        Dimension.PROGRAM,
        Dimension.PLATFORM,
        Dimension.SOURCE,
        Dimension.ARM,
    ),
)
