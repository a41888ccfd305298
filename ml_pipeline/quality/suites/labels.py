from ml_pipeline.quality.check import Suite
from ml_pipeline.quality.suites.expectations import (
    CRITICAL,
    WARNING,
    has_columns,
    is_not_in_the_future,
    is_one_of,
    is_told_once,
    is_true,
    lies_between,
)
from ml_pipeline.vocabulary.tasks import LabelSource

SUITE = Suite(
    "labels",
    (
        has_columns(
            "event_id",
            "conversation_id",
            "turn",
            "task",
            "labels",
            "source",
            "source_rank",
            "at",
            "learnt_at",
            "value",
            "currency",
            "supersedes",
            "superseded_at",
        ),
        lies_between("turn_not_negative", CRITICAL, "turn", 0),
        is_one_of("source_known", CRITICAL, "source", *(str(source) for source in LabelSource)),
        lies_between("rank_known", CRITICAL, "source_rank", 1, len(LabelSource)),
        is_true("task_known", WARNING, "has_known_task"),
        # A label outside its set would count as "none of ours holds": a wrong truth.
        lies_between("labels_known", CRITICAL, "foreign_labels", None, 0),
        is_true("conversation_exists", WARNING, "has_conversation"),
        lies_between("learnt_after_it_happened", WARNING, "hours_to_learn", -1),
        is_told_once("one_label_at_a_time", WARNING),
        is_not_in_the_future(),
    ),
    is_truth=True,
)
