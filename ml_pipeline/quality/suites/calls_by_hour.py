"""The calls of each hour and source beside those of the same hour of earlier weeks."""

from ml_pipeline.quality.check import Suite
from ml_pipeline.quality.suites.expectations import WARNING, lies_between

NO_BASELINE = "without three earlier weeks or 20 calls"

SUITE = Suite(
    "calls_by_hour",
    (
        # Of 20 calls that are usual, chance alone leaves fewer than five once in 60,000 hours.
        lies_between("volume_not_too_low", WARNING, "of_usual", 0.25, nulls_mean=NO_BASELINE),
        lies_between("volume_not_too_high", WARNING, "of_usual", None, 4, nulls_mean=NO_BASELINE),
    ),
)
