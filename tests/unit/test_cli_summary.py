import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from ml_pipeline.cli.summary import Round, as_document, show

FIGURES: dict[str, Any] = {
    "facts": {
        "conversations": 10,
        "turns": 90,
        "predictions": 120,
        "outcomes_recorded": 10,
        "outcomes_matched": 9,
        "outcomes_unmatched": 1,
    },
    "events": {"accepted": 230, "stored": 228, "duplicate": 1, "rejected": 1, "spooled": 0},
    "quality": {
        "checks": 48,
        "failed": 1,
        "failed_critical": 0,
        "hours_trusted": 7,
        "hours_held": 0,
        "hours_pending": 0,
    },
    "failed_checks": [{"table_name": "turns", "expectation": "volume_usual", "severity": "warning", "times": 1}],
    "drift": [
        {"kind": "data", "subject": "turn", "has_drifted": False, "severity": "none", "headline": "No change."},
        {"kind": "label", "subject": "price", "has_drifted": True, "severity": "warning", "headline": "Price rose."},
    ],
    "metrics": [{"metric": "accuracy", "task": "objection", "version": "caller", "value": 0.9, "n": 30}],
    "served": [
        {"task": "objection", "version": "objection.detect/2", "predictions": 3},
        {"task": "objection", "version": "objection.detect/1", "predictions": 40},
    ],
    "champions": [{"task": "objection", "mode": "detect", "version": "objection.detect/2", "since": None}],
}

DECISION = {
    "version": "objection.detect/1",
    "verdict": "PROMOTE",
    "reason": "surely better",
    "metrics": {"macro_ap": {"value": 0.3, "low": 0.2, "high": 0.4}},
    "baselines": {"prior.macro_ap": 0.1, "caller.macro_ap": None},
    "split": {"gate": {"rows": 100}},
}

ROUND = Round(
    source="persuasionforgood",
    is_simulated=False,
    seconds=12.34,
    figures=FIGURES,
    dag_runs={"ingest_events": "success", "retrain_models": "success"},
    decisions={"objection": DECISION},
    malformed=2,
    urls={"airflow": "http://127.0.0.1:1"},
)


def test_the_document_holds_every_promised_key():
    document = as_document(ROUND)

    assert document["ok"] is True
    assert document["seconds"] == 12.3
    assert document["outcomes"] == {"recorded": 10, "matched": 9, "unmatched": 1}
    assert document["drift"] == {"checks": 2, "findings": 1}
    assert document["served"] == {"objection": {"version": "objection.detect/1", "predictions": 40}}
    assert document["models"]["objection"] == {
        "version": "objection.detect/1",
        "gate": "PROMOTE",
        "reason": "surely better",
        "metrics": {"macro_ap": {"value": 0.3, "low": 0.2, "high": 0.4}},
        "baseline": {"prior.macro_ap": 0.1, "caller.macro_ap": None},
        "split": {"gate": {"rows": 100}},
    }


@pytest.mark.parametrize(
    "broken",
    [
        replace(ROUND, dag_runs={"ingest_events": "success", "retrain_models": "failed"}),
        replace(ROUND, dag_runs={}),
        replace(ROUND, figures=FIGURES | {"served": []}),
        replace(ROUND, figures=FIGURES | {"champions": []}),
    ],
    ids=["a failed run", "no run", "nothing served", "no champion"],
)
def test_the_loop_is_not_closed_without_every_run_and_a_champion_that_served(broken):
    assert as_document(broken)["ok"] is False


def test_a_person_reads_what_failed_what_drifted_and_why_a_version_was_judged_so():
    page = io.StringIO()

    show(as_document(ROUND), ROUND, Console(file=page, width=160))

    text = page.getvalue()
    assert "warning: turns: volume_usual (1 times)" in text
    assert "warning: Price rose." in text
    assert "0.300 [0.200, 0.400]" in text
    assert "prior 0.100" in text
    assert "objection: surely better" in text
    assert "The loop closed." in text
