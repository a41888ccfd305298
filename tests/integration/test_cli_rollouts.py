"""What a person sees of rollouts."""

import json
from pathlib import Path

import pytest

from ml_pipeline.jobs import watch_rollouts as job
from ml_pipeline.models.rollouts.terms import terms_of
from ml_pipeline.settings import load_settings
from tests.integration.policy import execute, kill
from tests.integration.rollout_floor import NEW, OLD, Floor, let_time_pass, open_floor, passed
from tests.integration.test_cli_retraining import said

SETTINGS = """
rollout_min_shadow = 100
rollout_quality_margin = 2.0
rollout_sales_margin = 0.6
rollout_steps = [{share = 0.2, min_matured = 100}]

[[approvals]]
kinds = ["canary"]
"""


@pytest.fixture
def database(emptied_database, monkeypatch, tmp_path: Path):
    """A champion and a challenger in its shadow that began weeks ago."""
    file = tmp_path / "settings.toml"
    file.write_text(SETTINGS, encoding="utf-8")
    monkeypatch.setenv("ML_PIPELINE_SETTINGS", str(file))
    passed(OLD, None, terms_of(load_settings()))
    passed(NEW, OLD, terms_of(load_settings()))
    let_time_pass(emptied_database)
    return emptied_database


def test_before_anything_is_under_way_the_caller_serves(emptied_database):
    assert said("rollouts", "needs") == "needs.detect nobody but the caller serves"


def test_who_is_tried_is_told_with_what_it_has_shown_and_lacks(database):
    open_floor(database, Floor(conversations=60))

    told = said("rollouts", "needs.detect")

    assert f"{OLD} champion since" in told
    assert f"{NEW} shadow since" in told
    assert "stay: 60 conversations scored where 100 are needed; not yet sure that its log loss" in told
    assert "conversations both scored: 60 matured at this step: 0 sales: the champion has none" in told
    assert "log loss: +0.0000 nats, not bounded yet, of 60 customers" in told
    assert "outcomes arose under: the champion alone" in told
    assert f"last move: {NEW} shadow at" in told
    assert "(retrain_models: it passed its gate)" in told


def test_what_waits_for_a_person_or_a_switch_is_told(database):
    open_floor(database, Floor())
    job.run()
    waiting = said("rollouts")
    kill(database, "challengers", subject="needs")

    assert f"waits for a person: {NEW}, canary 20%; declined at" in waiting
    assert "advance: to 20%" in waiting
    assert "paused: a kill switch is on" in said("rollouts")


def test_a_canary_tells_its_matured_calls_and_sales(database):
    open_floor(database, Floor())
    job.run()
    execute(database, "SELECT answer_approval(approval, true, 'ana', 'go') FROM approvals")
    job.run()
    open_floor(database, Floor(first=400, share=0.2))

    told = said("rollouts", "needs")

    assert f"{NEW} canary of 20% since" in told
    assert "80 matured conversations of the challenger at this step where 100 are needed" in told
    assert "matured at this step: 80 sold at a share of 20%: 40 of 80, the champion's 160 of 320" in told
    assert "sales: 1.00 times the champion's; that it sells more is not proven" in told


def test_programs_read_the_same_as_json(database):
    open_floor(database, Floor(conversations=60))

    (found,) = json.loads(said("rollouts", "needs", "--json"))

    assert (found["task"], found["questions"]) == ("needs.detect", [])
    assert [each["state"] for each in found["standing"]["held"]] == ["champion", "shadow"]
    assert found["verdicts"][NEW]["act"] == "stay"
    assert found["verdicts"][NEW]["numbers"]["calls"] == 60
    assert found["moves"][0]["verdict"] == "SHADOW"


def test_a_task_that_nobody_defined_is_refused(emptied_database):
    assert "no task called 'nedes'" in said("rollouts", "nedes", fails=True)
