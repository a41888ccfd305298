from ml_pipeline.quality.check import Check, Suite
from ml_pipeline.quality.suites.expectations import (
    CRITICAL,
    WARNING,
    has_columns,
    is_known,
    is_not_in_the_future,
    is_one_of,
)

SUITE = Suite(
    "conversations",
    (
        has_columns(
            "conversation_id",
            "client_id",
            "source",
            "customer_key",
            "started_at",
            "last_event_at",
            "language",
            "program",
            "platform",
            "age_band",
            "told_by",
        ),
        is_known("source_known", CRITICAL, "source"),
        is_one_of("language_known", WARNING, "language", "en", "es"),
        is_one_of("platform_known", WARNING, "platform", "web", "mobile", "api", "embedded"),
        Check(
            "ends_after_it_starts",
            CRITICAL,
            "ExpectColumnPairValuesAToBeGreaterThanB",
            {"column_A": "last_event_at", "column_B": "started_at", "or_equal": True},
        ),
        is_not_in_the_future(),
    ),
)
