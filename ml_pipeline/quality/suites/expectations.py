"""How the suites say what they expect of the columns of ``judged_*`` in ``sql/queries/quality.sql``."""

from typing import Any

from ml_pipeline.quality.check import Check
from ml_pipeline.vocabulary.verdicts import Severity

CRITICAL, WARNING = Severity.CRITICAL, Severity.WARNING


def has_columns(*columns: str) -> Check:
    """Expect the table to have at least these columns."""
    arguments = {"column_set": list(columns), "exact_match": False}
    return Check("schema", CRITICAL, "ExpectTableColumnsToMatchSet", arguments, is_of_schema=True)


def lies_between(
    name: str, severity: Severity, column: str, low: float | None, high: float | None = None, *, nulls_mean: str = ""
) -> Check:
    """Expect ``low <= column <= high``; null passes, None leaves a side open."""
    arguments = {"column": column, "min_value": low, "max_value": high}
    return Check(name, severity, "ExpectColumnValuesToBeBetween", arguments, nulls_mean=nulls_mean)


def is_one_of(name: str, severity: Severity, column: str, *values: Any) -> Check:
    """Expect one of ``values``; null passes."""
    return Check(name, severity, "ExpectColumnValuesToBeInSet", {"column": column, "value_set": list(values)})


def is_true(name: str, severity: Severity, column: str) -> Check:
    return is_one_of(name, severity, column, True)


def is_false(name: str, severity: Severity, column: str) -> Check:
    return is_one_of(name, severity, column, False)


def is_known(name: str, severity: Severity, column: str) -> Check:
    return Check(name, severity, "ExpectColumnValuesToNotBeNull", {"column": column})


def is_told_once(name: str, severity: Severity) -> Check:
    # Counted where the rows are read: Great Expectations' own checks of uniqueness join or sort them once more.
    return lies_between(name, severity, "times_told", None, 1)


def is_not_in_the_future() -> Check:
    """Expect no time more than an hour ahead: clocks differ, but not by that much."""
    return lies_between("time_not_in_the_future", CRITICAL, "hours_ahead", None, 1)
