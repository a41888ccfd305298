from pathlib import Path

import pytest

from ml_pipeline.settings import load_settings
from ml_pipeline.stack.settings_file import write_settings
from ml_pipeline.vocabulary.dialogue import Source
from ml_pipeline.vocabulary.tasks import DEFAULT_TASKS, Mode, Task, TaskKind

GREETING = Task(
    "greeting", TaskKind.MULTI_LABEL, ('say "hola"', "año\x7f\\"), Mode.DETECT, scope="turn", primary_metric="macro_ap"
)
SOURCE = Source("greetings", False, (GREETING,), (), outcome_days=5, label_days=0.25)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "x y" / "settings.toml"
    path.parent.mkdir()
    monkeypatch.setenv("ML_PIPELINE_SETTINGS", str(path))
    for name in ("JOBS_DSN", "CAPTURE_DSN"):
        monkeypatch.delenv(f"ML_PIPELINE_{name}", raising=False)
    return path


def test_what_is_written_is_what_is_read(file: Path):
    write_settings(file, {"jobs_dsn": "postgresql://ml_jobs:p%40@127.0.0.1:1/x", "spool": "/a b/spool"}, SOURCE)

    settings = load_settings()

    assert settings.jobs_dsn == "postgresql://ml_jobs:p%40@127.0.0.1:1/x"
    assert settings.spool == Path("/a b/spool")
    assert settings.tasks == (GREETING,)
    assert (settings.attribution_days, settings.label_days) == (5, 0.25)


def test_without_tasks_the_defaults_hold(file: Path):
    write_settings(file, {"mlflow_uri": "http://127.0.0.1:1"}, None)

    assert load_settings().tasks == DEFAULT_TASKS
    assert (load_settings().attribution_days, load_settings().label_days) == (30, 2.0)


def test_a_later_start_keeps_tasks_and_what_a_person_set(file: Path):
    write_settings(file, {"jobs_dsn": "postgresql://old"}, SOURCE)
    file.write_text('gate_error_budget = 0.01\nsold_tiers = ["gold"]\n' + file.read_text())
    write_settings(file, {"jobs_dsn": "postgresql://new"}, None)

    settings = load_settings()

    assert (settings.jobs_dsn, settings.gate_error_budget, settings.sold_tiers) == ("postgresql://new", 0.01, ("gold",))
    assert settings.tasks == (GREETING,)


def test_a_later_start_keeps_a_persons_alert_rules(file: Path):
    rule = '[[alert_rules]]\nname = "slow"\nbound = 0.05\nburns = [{ spent = 0.02, long_hours = 1 }]\n'
    write_settings(file, {"jobs_dsn": "postgresql://old"}, None)
    file.write_text(file.read_text() + rule)
    write_settings(file, {"jobs_dsn": "postgresql://new"}, None)

    (kept,) = load_settings().alert_rules

    assert kept == {"name": "slow", "bound": 0.05, "burns": [{"spent": 0.02, "long_hours": 1}]}
