from ml_pipeline.metrics.metric import Better, Family, Metric, Unit

FAMILY = Family(
    "throughput",
    (
        Metric(
            "predictions_per_hour", Unit.PER_HOUR, Better.NEITHER, "Answers of the hour, per task, mode and version."
        ),
        Metric("turns_per_hour", Unit.PER_HOUR, Better.NEITHER, "Messages of the hour, of customers and agents."),
        Metric(
            "conversations_per_hour", Unit.PER_HOUR, Better.NEITHER, "Conversations whose first event lies in the hour."
        ),
    ),
)
