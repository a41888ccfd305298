from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ml_pipeline.vocabulary.verdicts import Severity


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation of a suite: the Great Expectations class named ``expectation`` with ``arguments``.

    ``is_of_schema``: asked of the table itself, before its rows are read.
    ``nulls_mean``: why a row may have nothing to check; such rows are counted under it.
    """

    name: str
    severity: Severity
    expectation: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    is_of_schema: bool = False
    nulls_mean: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """The checks of one table, or of the rows of ``judged_<table>`` where no table has them.

    ``is_truth``: a bad row also taints the predictions it is the truth of.
    """

    table: str
    checks: tuple[Check, ...]
    is_truth: bool = False


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found. ``hours``: those that a failure concerns; None where it concerns all that are judged.

    ``failing_events`` holds at most 100 ids; of a failing conversation it is the conversation's own.
    """

    table: str
    name: str
    severity: Severity
    has_passed: bool
    observed: Mapping[str, Any]
    failing_events: tuple[str, ...] = ()
    hours: frozenset[datetime] | None = None
