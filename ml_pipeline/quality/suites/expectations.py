"""How the suites say what they expect of the columns of ``judged_*`` in ``sql/queries/quality.sql``."""

from typing import Any

from ml_pipeline.quality.check import Check
from ml_pipeline.vocabulary.verdicts import Severity

CRITICAL, WARNING = Severity.CRITICAL, Severity.WARNING


def has_columns(*columns: str) -> Check:
    """Expect the table to have at least these columns."""
    arguments = {"column_set": list(columns), "exact_match": False}
    return Check("schema", CRITICAL, "ExpectTableColumnsToMatchSet", arguments, is_of_schema=True)


def lies_between(name: str, severity: Severity, column: str, low: float | None, high: float | None = None) -> Check:
    """Expect ``low <= column <= high``; null passes, None leaves a side open."""
    arguments = {"column": column, "min_value": low, "max_value": high}
    return Check(name, severity, "ExpectColumnValuesToBeBetween", arguments)


def is_one_of(name: str, severity: Severity, column: str, *values: Any) -> Check:
    return Check(name, severity, "ExpectColumnValuesToBeInSet", {"column": column, "value_set": list(values)})


def is_true(name: str, severity: Severity, column: str) -> Check:
    return is_one_of(name, severity, column, True)


def is_false(name: str, severity: Severity, column: str) -> Check:
    return is_one_of(name, severity, column, False)


def is_known(name: str, severity: Severity, column: str) -> Check:
    return Check(name, severity, "ExpectColumnValuesToNotBeNull", {"column": column})


def is_unique(name: str, severity: Severity, column: str) -> Check:
    # Not ExpectCompoundColumnsToBeUnique: the query it gives for its failing rows joins the table with itself, unbound.
    return Check(name, severity, "ExpectColumnValuesToBeUnique", {"column": column})


def finds_nothing(name: str, severity: Severity, query: str) -> Check:
    """Expect the statement ``query`` of ``sql/queries/quality.sql`` to have no row."""
    return Check(name, severity, "UnexpectedRowsExpectation", query=query)


def is_not_in_the_future() -> Check:
    """Expect no time more than an hour ahead: clocks differ, but not by that much."""
    return lies_between("time_not_in_the_future", CRITICAL, "hours_ahead", None, 1)
