"""Conversations to retrain on, and stages of a retraining from which tests start."""

import shutil
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_pipeline.database.engine import engine, transaction
from ml_pipeline.jobs import ingest_events
from ml_pipeline.jobs import retrain_models as job
from ml_pipeline.models.candidates import search
from ml_pipeline.models.registry import Registry
from ml_pipeline.settings import load_settings
from ml_pipeline.stack.postgres import Postgres
from tests.conftest import Database, run_as_owner
from tests.integration.events import Event, after, append, label, outcome, prediction, turn

SETTINGS = """
gate_min_positives = 15
label_days = 0.1
[[tasks]]
name = "objection"
kind = "multi-label"
labels = ["price", "trust"]
mode = "detect"
scope = "turn"
primary_metric = "macro_ap"
[[tasks]]
name = "needs"
kind = "multi-label"
labels = ["information"]
mode = "detect"
scope = "turn"
primary_metric = "macro_ap"
"""
SAID = {
    (): ("Yes, go on please.", "Sí, cuénteme más.", "Good morning, how are you?", "Muy bien, gracias."),
    ("price",): ("That is too expensive.", "Es demasiado caro para mí.", "I cannot afford that price."),
    ("trust",): ("I do not believe you.", "No confío, ¿es una estafa?", "Sounds like a scam to me."),
}
TASK = "objection.detect"


def conversation(number: int) -> list[Event]:
    """Return four exchanges, the agent's own poor guesses, an outcome, and what a person said of each turn later."""
    generator = np.random.default_rng(number)
    name, start = f"call {number}", number * 3_600.0
    events = [outcome(name, "completed", at=after(start + 600))]
    for exchange in range(4):
        labels = list(SAID)[generator.choice(3, p=[0.64, 0.2, 0.16])]
        asked, said = 2 * exchange, 2 * exchange + 1
        guess = {"price": round(float(generator.random()), 3), "trust": 0.1}
        events += [
            turn(
                name, asked, f"Tell me more, {generator.integers(30)}?", role="assistant", at=after(start + asked * 10)
            ),
            turn(name, said, str(generator.choice(SAID[labels])), at=after(start + said * 10)),
            prediction(name, said, probabilities=guess, mode="detect", at=after(start + said * 10)),
            label(name, "objection", labels, number=said, at=after(start + 900)),
        ]
    # Replayed, so that each thing was learnt when it happened, not now.
    return [{**event, "source": "floor"} for event in events]


def learn(database: Database, numbers: range) -> None:
    """Take conversations in and trust every hour."""
    append(database, [event for number in numbers for event in conversation(number)])
    ingest_events.run()
    run_as_owner(database.owner_dsn, "UPDATE quality_verdicts SET state = 'trusted'")


def rows(database: Database, statement: str) -> list[dict[str, Any]]:
    with transaction(database.owner_dsn) as tx, tx.cursor() as cursor:
        cursor.execute(statement)
        return [dict(row) for row in cursor.fetchall()]


def states(database: Database) -> list[tuple[str, str]]:
    """Return (version, state) of the rollouts that hold."""
    found = rows(database, "SELECT version, state FROM model_rollouts WHERE until IS NULL ORDER BY rollout")
    return [(row["version"], row["state"]) for row in found]


def verdicts(database: Database) -> list[tuple[str, str, str]]:
    found = rows(database, "SELECT task, version, verdict FROM decisions WHERE kind = 'gate' ORDER BY decided_at")
    return [(row["task"], row["version"], row["verdict"]) for row in found]


@dataclass(frozen=True)
class Stage:
    """A point on the way that many tests start from: a database to clone, a copy of MLflow's, the ticket.

    ``artifacts``: where MLflow's database says that they lie; a copy lies beside it.
    """

    template: str
    mlflow: Path
    artifacts: Path
    ticket: Any

    def restore(self, mlflow: Path) -> None:
        """Make ``mlflow`` the stage's database, and the artifacts what they were."""
        shutil.copy(self.mlflow, mlflow)
        shutil.rmtree(self.artifacts)
        shutil.copytree(_copy_of(self.artifacts), self.artifacts)


def _copy_of(artifacts: Path) -> Path:
    return artifacts.with_name("kept")


@pytest.fixture(scope="session")
def stages(cluster: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Stage]]:
    """``learned``: 120 labelled conversations. ``judged``: a candidate before publication. ``champion``: it serves."""
    folder = tmp_path_factory.mktemp("stages")
    database = Database(cluster, "stages_of_models")
    run_as_owner(cluster.dsn(), f"CREATE DATABASE {database.name} TEMPLATE template_pipeline STRATEGY wal_log")
    kept: dict[str, Stage] = {}

    def keep(stage: str, ticket: Any) -> None:
        engine(database.jobs_dsn).dispose()
        engine(database.owner_dsn).dispose()
        run_as_owner(cluster.dsn(), f"CREATE DATABASE {stage}_models TEMPLATE {database.name} STRATEGY wal_log")
        kept[stage] = Stage(f"{stage}_models", folder / f"{stage}.db", folder / "mlruns", ticket)
        shutil.copy(folder / "mlflow.db", kept[stage].mlflow)

    with pytest.MonkeyPatch.context() as patch, chdir(folder):
        point_at(folder, patch)
        patch.setenv("ML_PIPELINE_JOBS_DSN", database.jobs_dsn)
        learn(database, range(120))
        Registry(load_settings().mlflow_uri).reach()
        keep("learned", {})
        (ticket,) = job.collect(TASK)
        ticket = job.validate(job.train(ticket))
        keep("judged", ticket)
        job.publish(ticket)
        keep("champion", ticket)
    shutil.copytree(folder / "mlruns", _copy_of(folder / "mlruns"))
    yield kept
    names = [database.name, *(stage.template for stage in kept.values())]
    run_as_owner(cluster.dsn(), *(f"DROP DATABASE {name} WITH (FORCE)" for name in names))


def point_at(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let the process's settings lie in ``folder``, MLflow's database beside them."""
    (folder / "settings.toml").write_text(SETTINGS, encoding="utf-8")
    patch.setenv("ML_PIPELINE_SETTINGS", str(folder / "settings.toml"))
    patch.setenv("ML_PIPELINE_MLFLOW_URI", f"sqlite:///{folder}/mlflow.db")
    patch.setattr(search, "STRENGTHS", (3.0,))  # the search is tested by itself; here it costs half the time


class At:
    """Puts the test's database and MLflow at a stage; returns it."""

    def __init__(self, cluster: Postgres, database: Database, folder: Path, stages: dict[str, Stage]) -> None:
        self._cluster, self._database, self._folder, self._stages = cluster, database, folder, stages

    def __call__(self, name: str) -> Stage:
        stage = self._stages[name]
        run_as_owner(
            self._cluster.dsn(),
            f"DROP DATABASE {self._database.name} WITH (FORCE)",
            f"CREATE DATABASE {self._database.name} TEMPLATE {stage.template} STRATEGY wal_log",
        )
        stage.restore(self._folder / "mlflow.db")
        return stage


@pytest.fixture
def at(
    cluster: Postgres,
    database: Database,
    stages: dict[str, Stage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> At:
    monkeypatch.chdir(tmp_path)
    point_at(tmp_path, monkeypatch)
    return At(cluster, database, tmp_path, stages)


@pytest.fixture
def mlflow_uri(at: At) -> str:
    """Stage ``learned``; the URI of this test's MLflow."""
    at("learned")
    return load_settings().mlflow_uri


@pytest.fixture
def judged(at: At) -> Any:
    """Stage ``judged``; the ticket of a candidate that waits for publication."""
    return at("judged").ticket


@pytest.fixture
def champion(at: At) -> str:
    """Stage ``champion``; its name."""
    at("champion")
    return f"{TASK}/1"


def client() -> Any:
    from mlflow import MlflowClient

    return MlflowClient(load_settings().mlflow_uri)
