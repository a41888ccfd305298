from ml_pipeline.quality.check import Suite
from ml_pipeline.quality.suites.expectations import (
    CRITICAL,
    WARNING,
    finds_nothing,
    has_columns,
    is_not_in_the_future,
    is_one_of,
    is_true,
    is_unique,
    lies_between,
)
from ml_pipeline.vocabulary.tasks import Mode

SUITE = Suite(
    "predictions",
    (
        has_columns(
            "conversation_id",
            "turn",
            "task",
            "mode",
            "version",
            "at",
            "probabilities",
            "labels",
            "is_served",
            "latency_ms",
            "feature_revision",
            "feature_digest",
            "context",
            "event_id",
        ),
        lies_between("turn_not_negative", CRITICAL, "turn", 0),
        lies_between("probability_at_least_0", CRITICAL, "lowest", 0),
        lies_between("probability_at_most_1", CRITICAL, "highest", None, 1),
        lies_between("latency_not_negative", CRITICAL, "latency_ms", 0),
        is_one_of("mode_known", CRITICAL, "mode", *(str(mode) for mode in Mode)),
        is_true("task_known", WARNING, "has_known_task"),
        lies_between("labels_of_ours_known", CRITICAL, "foreign_labels_of_ours", None, 0),
        lies_between("labels_of_caller_known", WARNING, "foreign_labels_of_caller", None, 0),
        is_unique("answer_told_once", CRITICAL, "told"),
        is_true("conversation_exists", CRITICAL, "has_conversation"),
        is_true("turn_exists", WARNING, "has_turn"),
        is_not_in_the_future(),
        finds_nothing("few_failures", WARNING, "many_failures"),
    ),
)
