"""Whether each source still talks, at the hours at which it usually does."""

from ml_pipeline.quality.check import Suite
from ml_pipeline.quality.suites.expectations import WARNING, lies_between

SUITE = Suite(
    "sources",
    (
        # Where ten calls are to be expected, chance alone brings none once in 22,000 times.
        lies_between("not_silent", WARNING, "calls_missed", None, 10, nulls_mean="without three earlier weeks"),
    ),
)
