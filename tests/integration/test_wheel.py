"""What an agent gets by ``pip install``: the island, its few dependencies, the SQL; nothing of the batch side."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
UV = (sys.executable, "-m", "uv")
"""Stands in every .venv that `make` made."""

BATCH = (
    "airflow", "alembic", "great_expectations", "mlflow", "numpy", "pandas", "psutil", "scipy", "sklearn", "skops",
    "sqlalchemy", "typer",
)  # fmt: skip

LOOK = f"""
import importlib.util, json, sys
import ml_pipeline
from ml_pipeline import MLPipelineService
from ml_pipeline.database.resources import sql_root
MLPipelineService()
print(json.dumps({{
    "package": ml_pipeline.__file__,
    "service": MLPipelineService.__name__,
    "schema": str((sql_root() / "schema.sql").resolve(strict=True)),
    "batch": [name for name in {BATCH!r} if importlib.util.find_spec(name)],
}}))
"""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from what git would hand out: no state, no environment."""
    source = tmp_path_factory.mktemp("source") / "checkout"
    skipped = shutil.ignore_patterns(".git", ".venv", ".local", "__pycache__", ".*_cache", "node_modules")
    shutil.copytree(CHECKOUT, source, ignore=skipped)
    out = source.parent / "dist"
    run(*UV, "build", "--wheel", "--python", sys.executable, "--out-dir", out, source)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def agent(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment in which nothing but the wheel was asked for."""
    environment = tmp_path_factory.mktemp("agent") / "venv"
    python = environment / "bin" / "python"
    run(*UV, "venv", "--python", sys.executable, environment)
    run(*UV, "pip", "install", "--python", python, "--only-binary", ":all:", wheel)
    return python


def test_the_wheel_carries_the_sql_and_no_tests(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()

    in_checkout = {f"ml_pipeline/{path.relative_to(CHECKOUT)}" for path in (CHECKOUT / "sql").rglob("*.sql")}
    assert in_checkout
    assert in_checkout <= set(names)
    assert [name for name in names if name.split("/")[0] not in ("ml_pipeline", "ml_pipeline-0.1.0.dist-info")] == []


def test_an_agent_imports_the_service_and_has_nothing_of_the_batch_side(agent: Path, tmp_path: Path):
    seen = json.loads(run(agent, "-I", "-c", LOOK, cwd=tmp_path))

    assert seen["service"] == "MLPipelineService"
    assert Path(seen["package"]).is_relative_to(agent.parents[1])
    assert seen["schema"] == str(Path(seen["package"]).parent / "sql" / "schema.sql")
    assert seen["batch"] == []
