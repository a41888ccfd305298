from ml_pipeline.quality.check import Suite
from ml_pipeline.quality.suites.expectations import (
    CRITICAL,
    WARNING,
    has_columns,
    is_false,
    is_known,
    is_not_in_the_future,
    is_one_of,
    is_told_once,
    is_true,
    lies_between,
)

SUITE = Suite(
    "turns",
    (
        has_columns("conversation_id", "turn", "at", "role", "content", "event_id"),
        lies_between("turn_not_negative", CRITICAL, "turn", 0),
        is_one_of("role_known", CRITICAL, "role", "user", "assistant", "system"),
        is_known("content_known", CRITICAL, "characters"),
        lies_between("content_not_empty", WARNING, "characters", 1),
        is_told_once("turn_told_once", CRITICAL),
        is_true("conversation_exists", CRITICAL, "has_conversation"),
        is_not_in_the_future(),
        is_false("no_email", CRITICAL, "holds_email"),
        is_false("no_phone", CRITICAL, "holds_phone"),
        is_false("no_card", CRITICAL, "holds_card"),
        is_false("no_identity_number", CRITICAL, "holds_identity"),
    ),
)
