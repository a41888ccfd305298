from ml_pipeline.quality.check import Suite
from ml_pipeline.quality.suites.expectations import (
    CRITICAL,
    WARNING,
    has_columns,
    is_false,
    is_not_in_the_future,
    is_one_of,
    is_told_once,
    is_true,
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
        is_true("answer_not_empty", WARNING, "has_answer"),
        is_true("probabilities_from_0_to_1", CRITICAL, "are_probabilities"),
        lies_between("latency_not_negative", CRITICAL, "latency_ms", 0),
        lies_between("latency_plausible", WARNING, "latency_ms", None, 60_000),
        is_one_of("mode_known", CRITICAL, "mode", *(str(mode) for mode in Mode)),
        is_true("task_known", WARNING, "has_known_task"),
        is_false("labels_of_ours_known", CRITICAL, "ours_has_foreign_label"),
        is_false("labels_of_caller_known", WARNING, "caller_has_foreign_label"),
        is_told_once("answer_told_once", CRITICAL),
        is_true("conversation_exists", CRITICAL, "has_conversation"),
        is_true("turn_exists", WARNING, "has_turn"),
        is_not_in_the_future(),
    ),
)
