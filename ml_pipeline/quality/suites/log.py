"""Attempts to predict, hour by hour, from the log: what failed makes no fact."""

from ml_pipeline.quality.check import Suite
from ml_pipeline.quality.suites.expectations import WARNING, has_columns, lies_between

MOST_FAILURES = 0.2
"""An agent whose model is down fails on nearly every turn, a healthy one on few."""

SUITE = Suite(
    "ml_tracking_events",
    (
        has_columns(
            "id",
            "conversation_id",
            "event_type",
            "event_category",
            "timestamp",
            "data",
            "created_at",
            "client_id",
            "source",
            "writer",
            "sequence",
        ),
        lies_between("few_errors", WARNING, "error_share", None, MOST_FAILURES),
        lies_between("few_fallbacks", WARNING, "fallback_share", None, MOST_FAILURES),
    ),
)
