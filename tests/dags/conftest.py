import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

# Before anything imports Airflow, which would make itself at home in ~/airflow.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="mlp-airflow-"))
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")

DAGS = Path(__file__).resolve().parents[2] / "dags"
FILES = sorted(DAGS.glob("*.py"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for ``dag_file`` once per file in dags/."""
    if "dag_file" in metafunc.fixturenames:
        metafunc.parametrize("dag_file", FILES, ids=[file.stem for file in FILES])


@pytest.fixture(scope="session")
def parsed() -> dict[str, Any]:
    """What Airflow makes of dags/: errors, warnings, seconds per file, heavy imports, DAGs."""
    script = Path(__file__).with_name("parse.py")
    done = subprocess.run(
        [sys.executable, script, DAGS], capture_output=True, text=True, check=True, timeout=110, cwd=DAGS.parent
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
