import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DAGS = Path(__file__).resolve().parents[2] / "dags"
FILES = sorted(DAGS.glob("*.py"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for ``dag_file`` once per file in dags/."""
    if "dag_file" in metafunc.fixturenames:
        metafunc.parametrize("dag_file", FILES, ids=[file.stem for file in FILES])


@pytest.fixture(scope="package", autouse=True)
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home for Airflow, which would else make itself one in ~/airflow when a test imports it."""
    home = tmp_path_factory.mktemp("airflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(home))
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        yield home


@pytest.fixture(scope="package")
def parsed(airflow_home: Path) -> dict[str, Any]:
    """What Airflow makes of dags/: errors, warnings, seconds per file, heavy imports, DAGs."""
    script = Path(__file__).with_name("parse.py")
    done = subprocess.run(
        [sys.executable, script, DAGS], capture_output=True, text=True, check=True, timeout=110, cwd=airflow_home
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
