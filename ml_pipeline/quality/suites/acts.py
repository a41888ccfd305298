from ml_pipeline.quality.check import Suite
from ml_pipeline.quality.suites.expectations import (
    CRITICAL,
    WARNING,
    has_columns,
    is_one_of,
    is_true,
    lies_between,
)
from ml_pipeline.vocabulary.acts import Act, ActSource

SUITE = Suite(
    "acts",
    (
        has_columns(
            "conversation_id",
            "turn",
            "act",
            "at",
            "source",
            "probability",
            "tagger",
            "event_id",
            "turn_event_id",
        ),
        is_one_of("act_known", WARNING, "act", *(str(act) for act in Act)),
        is_one_of("source_known", CRITICAL, "source", *(str(source) for source in ActSource)),
        lies_between("probability_at_least_0", CRITICAL, "probability", 0),
        lies_between("probability_at_most_1", CRITICAL, "probability", None, 1),
        lies_between("tagger_not_empty", WARNING, "characters", 1),
        # At the very time of the act, so that its time is checked with the turn's. A turn that moved leaves its acts
        # until it is read again, which waits for this hour to be trusted.
        is_true("turn_exists", WARNING, "has_turn"),
    ),
)
