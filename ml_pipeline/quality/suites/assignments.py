from ml_pipeline.quality.check import Suite
from ml_pipeline.quality.suites.expectations import (
    CRITICAL,
    WARNING,
    has_columns,
    is_not_in_the_future,
    is_one_of,
    is_true,
    lies_between,
)

SUITE = Suite(
    "assignments",
    (
        has_columns(
            "conversation_id",
            "experiment_id",
            "experiment",
            "arm",
            "unit",
            "unit_id",
            "propensity",
            "reason",
            "at",
            "policy_epoch",
            "policy_n",
            "event_id",
        ),
        lies_between("arm_not_empty", CRITICAL, "characters", 1),
        is_one_of("unit_known", CRITICAL, "unit", "conversation", "customer"),
        # Whatever weighs by it divides by it.
        lies_between("propensity_at_least_a_millionth", CRITICAL, "propensity", 1e-6),
        lies_between("propensity_at_most_1", CRITICAL, "propensity", None, 1),
        is_one_of("reason_known", WARNING, "reason", "drawn", "switched_off"),
        is_true("experiment_exists", WARNING, "has_experiment"),
        is_true("conversation_exists", WARNING, "has_conversation"),
        is_not_in_the_future(),
    ),
)
