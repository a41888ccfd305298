import subprocess
import sys

HEAVY = {"numpy", "pandas", "scipy", "sklearn", "mlflow", "great_expectations", "fastapi"}


def test_no_command_waits_for_a_library_that_only_another_one_needs():
    asked = f"import sys, ml_pipeline.cli; print(*sorted({HEAVY!r} & set(sys.modules)))"

    loaded = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.split()

    assert loaded == []
