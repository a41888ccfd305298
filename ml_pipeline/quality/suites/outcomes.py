from ml_pipeline.quality.check import Check, Suite
from ml_pipeline.quality.suites.expectations import (
    CRITICAL,
    WARNING,
    has_columns,
    is_not_in_the_future,
    is_told_once,
    is_true,
    lies_between,
)

SUITE = Suite(
    "outcomes",
    (
        has_columns(
            "event_id",
            "conversation_id",
            "at",
            "learnt_at",
            "outcome",
            "is_sold",
            "value",
            "currency",
            "tier",
            "satisfaction",
            "duration_seconds",
            "source",
            "supersedes",
            "superseded_at",
        ),
        lies_between("outcome_not_empty", CRITICAL, "characters", 1),
        # An outcome may come before its conversation, or without one: told, not held.
        is_true("conversation_exists", WARNING, "has_conversation"),
        lies_between("value_plausible", CRITICAL, "value", -1e9, 1e9),
        Check(
            "currency_plausible",
            WARNING,
            "ExpectColumnValuesToMatchRegex",
            {"column": "currency", "regex": "^[A-Z]{3}$"},
        ),
        lies_between("satisfaction_plausible", WARNING, "satisfaction", 0, 100),
        lies_between("duration_not_negative", WARNING, "duration_seconds", 0),
        lies_between("learnt_after_it_happened", WARNING, "hours_to_learn", -1),
        is_told_once("one_outcome_at_a_time", WARNING),
        is_not_in_the_future(),
    ),
    is_truth=True,
)
