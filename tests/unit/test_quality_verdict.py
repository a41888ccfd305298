from datetime import UTC, datetime, timedelta

from ml_pipeline.quality.check import CheckResult
from ml_pipeline.quality.suites import SUITES
from ml_pipeline.quality.verdict import HourVerdict, judge_hours
from ml_pipeline.vocabulary.verdicts import Severity

NINE = datetime(2026, 1, 1, 9, tzinfo=UTC)
TEN = NINE + timedelta(hours=1)


def failed(severity: Severity, *hours: datetime, name: str = "turn_not_negative") -> CheckResult:
    return CheckResult("turns", name, severity, False, {}, hours=frozenset(hours) if hours else None)


def test_an_hour_with_a_critical_failure_is_held_and_the_others_are_trusted():
    verdicts = judge_hours({NINE: 3, TEN: 1}, [failed(Severity.CRITICAL, NINE)])

    assert verdicts == [HourVerdict(NINE, 3, "turns.turn_not_negative"), HourVerdict(TEN, 1, None)]
    assert [verdict.state for verdict in verdicts] == ["held", "trusted"]


def test_a_failure_of_the_table_holds_every_hour():
    verdicts = judge_hours({NINE: 1, TEN: 1}, [failed(Severity.CRITICAL, name="schema")])

    assert [verdict.reason for verdict in verdicts] == ["turns.schema", "turns.schema"]


def test_a_warning_holds_nothing():
    verdicts = judge_hours({NINE: 1}, [failed(Severity.WARNING, NINE), failed(Severity.WARNING)])

    assert [verdict.state for verdict in verdicts] == ["trusted"]


def test_hours_that_were_not_judged_get_no_verdict():
    verdicts = judge_hours({TEN: 1}, [failed(Severity.CRITICAL, NINE)])

    assert verdicts == [HourVerdict(TEN, 1, None)]


def test_check_names_are_unique_within_their_suite():
    for suite in SUITES:
        names = [check.name for check in suite.checks]
        assert len(names) == len(set(names)), suite.table
