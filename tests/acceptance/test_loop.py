"""The whole stack, once: Postgres, MLflow and Airflow are real, the conversations are simulated."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

PROJECT = Path(__file__).resolve().parents[2]
DAGS = {
    "ingest_events",
    "check_data_quality",
    "tag_acts",
    "roll_up_metrics",
    "analyze_feedback",
    "check_drift",
    "retrain_models",
}


@pytest.fixture(scope="module")
def round_of_the_loop() -> Iterator[tuple[subprocess.CompletedProcess[str], Path]]:
    # Short and world-reachable, as the cluster's folder must be when root runs the tests.
    state = Path(tempfile.mkdtemp(prefix="mlp-loop-"))
    state.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ML_PIPELINE_")}
    environment.pop("SOURCE", None)
    done = subprocess.run(
        [sys.executable, "-m", "ml_pipeline.cli", "run", "--once", "--conversations", "500", "--state", str(state)],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=840,
        check=False,
    )
    yield done, state
    shutil.rmtree(state, ignore_errors=True)


@pytest.fixture
def summary(round_of_the_loop: tuple[subprocess.CompletedProcess[str], Path]) -> dict[str, Any]:
    done, state = round_of_the_loop
    path = state / "summary.json"
    assert path.is_file(), f"the round ended with {done.returncode}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    document: dict[str, Any] = json.loads(path.read_text())
    return document


pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]


def test_one_command_closes_the_loop(round_of_the_loop, summary):
    done, _ = round_of_the_loop

    assert summary["ok"], done.stdout[-3000:]
    assert done.returncode == 0
    assert "The loop closed." in done.stdout


def test_every_dag_ran_to_success(summary):
    assert summary["dag_runs"] == dict.fromkeys(DAGS, "success")


def test_no_event_is_lost_between_the_call_and_the_log(summary):
    events = summary["events"]

    assert events["accepted"] > 0
    assert events["accepted"] == events["stored"] + events["duplicate"] + events["rejected"] + events["spooled"]
    assert (events["rejected"], events["spooled"]) == (0, 0)


def test_every_conversation_becomes_facts_with_its_outcome(summary):
    assert summary["conversations"] == 500
    assert summary["outcomes"] == {"recorded": 500, "matched": 500, "unmatched": 0}


def test_a_champion_that_passed_its_gate_answers_new_conversations(summary):
    served = summary["served"]

    assert served
    for task, row in served.items():
        assert row["version"] == summary["models"][task]["version"]
        assert summary["models"][task]["gate"] == "PROMOTE"
        assert row["predictions"] > 0


def test_every_task_carries_an_honest_verdict(summary):
    assert set(summary["models"]) == {"objection", "needs", "conversion"}
    for model in summary["models"].values():
        assert model["gate"] in {"PROMOTE", "HOLD", "NOT ENOUGH DATA"}
        for figure in model["metrics"].values():
            assert figure["low"] <= figure["value"] <= figure["high"]


def test_nothing_is_left_running(round_of_the_loop):
    _, state = round_of_the_loop

    left = [
        process for process in psutil.process_iter(["cmdline"]) if str(state) in " ".join(process.info["cmdline"] or [])
    ]

    assert left == []
