"""What holds for every shipped alert rule. A new one without its two cases fails here."""

from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest

from ml_pipeline.alerts.kinds.absence import WORDS as SIGNALS
from ml_pipeline.alerts.kinds.absence import Signal
from ml_pipeline.alerts.kinds.quality import WORDS as MEASURES
from ml_pipeline.alerts.kinds.quality import Measure
from ml_pipeline.alerts.rulebook import read_rules, shipped_documents
from ml_pipeline.database.named_sql import queries
from ml_pipeline.jobs import roll_up_metrics
from tests.contracts.alert_cases import CASES, NOW
from tests.integration.events import rows

ROOT = Path(__file__).resolve().parents[2]
RULES = read_rules().rules

every_rule = pytest.mark.parametrize("name", RULES)


@pytest.fixture
def database(emptied_database):
    return emptied_database


OPEN = "SELECT * FROM alerts WHERE rule = %(rule)s AND resolved_at IS NULL"


def judge_hours(hours: int) -> None:
    for hour in range(hours):
        roll_up_metrics.judge_alerts(NOW + timedelta(hours=hour))


def test_every_shipped_rule_can_be_read_and_has_its_two_cases():
    names = [document["name"] for document in shipped_documents()]

    assert read_rules().unreadable == {}
    assert len(names) == len(set(names))
    assert set(CASES) == set(names)


@every_rule
def test_a_rule_fires(database, name):
    CASES[name].fires(database)

    judge_hours(RULES[name].fire_after)

    (alert,) = rows(database, OPEN, rule=name)
    assert alert["severity"] == RULES[name].severity
    assert alert["owner"] == RULES[name].owner
    assert str(alert["headline"]).endswith(".")
    assert alert["evidence"]
    assert alert["acknowledged_at"] is None


@every_rule
def test_a_rule_stays_quiet_when_it_may(database, name):
    CASES[name].stays_quiet(database)

    judge_hours(RULES[name].fire_after)

    assert rows(database, OPEN, rule=name) == []
    # Judged, and not for want of samples.
    standing = rows(database, "SELECT streak FROM alert_standings WHERE rule = %(rule)s", rule=name)
    assert [row["streak"] for row in standing] == [-RULES[name].fire_after]


@every_rule
def test_a_rule_names_somebody_and_a_runbook_that_exists(name):
    rule = RULES[name]

    assert rule.owner in ("models", "agent", "sales")
    assert (ROOT / rule.runbook).is_file()
    assert rule.description.endswith(".")


def test_every_signal_and_measure_has_its_words_and_its_statement():
    statements = set(queries("alerts").available_queries)

    assert set(get_args(Signal)) == set(SIGNALS)
    assert set(get_args(Measure)) == set(MEASURES)
    assert {f"absent_{signal}" for signal in SIGNALS} | {f"measure_{each}" for each in MEASURES} == {
        name for name in statements if name.startswith(("absent_", "measure_")) and not name.endswith("_cursor")
    }


@every_rule
def test_the_guide_tells_of_the_rule(name):
    rule = RULES[name]
    line = f"| `{name}` | {type(rule).__name__.lower()} | {rule.severity} | {rule.owner} | {rule.description} |"

    assert line in (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8").splitlines()


def test_the_guide_tells_of_no_other_rule_and_of_every_signal_and_measure():
    guide = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    table = guide.split("## The shipped rules")[1].split("##")[0]

    assert {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")} == set(RULES)
    assert {name for name in (*SIGNALS, *MEASURES) if f"`{name}`" not in guide} == set()
