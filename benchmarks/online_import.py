"""What the import costs an agent's start: fresh interpreters, with and without it, in turn."""

import subprocess
import time
from collections.abc import Iterator

from benchmarks.claims import Claim, at_most
from benchmarks.contenders import Place

PYTHON = ".venv/bin/python"
"""The project's own environment: only where the batch libraries are installed can they be imported by mistake."""
ROUNDS = 15
PACKAGE = "import ml_pipeline"
AGENTS_IMPORT = "from ml_pipeline import MLPipelineService"
BATCH_LIBRARIES = ("pandas", "numpy", "sklearn", "sqlalchemy", "mlflow", "great_expectations", "airflow")


def claims(_: Place) -> Iterator[Claim]:
    statements = (PACKAGE, AGENTS_IMPORT, "pass")
    rounds = [[_seconds(statement) for statement in statements] for _ in range(ROUNDS + 1)][1:]
    bare = {"bare_python_ms": sorted(1000 * seconds[-1] for seconds in rounds)[ROUNDS // 2]}
    for place, statement in enumerate(statements[:-1]):
        yield at_most(statement, [1000 * (each[place] - each[-1]) for each in rounds], 150.0, "ms", bare)
    yield at_most(
        f"{AGENTS_IMPORT}: libraries it brings of {', '.join(BATCH_LIBRARIES)}",
        [float(len(_brought()))],
        0.0,
        "libraries",
    )


def _seconds(statement: str) -> float:
    started = time.perf_counter()
    subprocess.run([PYTHON, "-c", statement], check=True)
    return time.perf_counter() - started


def _brought() -> list[str]:
    asked = f"{AGENTS_IMPORT}; import sys; print(*(set(sys.modules) & set({BATCH_LIBRARIES!r})))"
    return subprocess.run([PYTHON, "-c", asked], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
