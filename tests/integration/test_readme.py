import os
import re
import subprocess
import sys
import time
from pathlib import Path

from ml_pipeline.database.engine import transaction

PROJECT = Path(__file__).resolve().parents[2]


def types_in_the_log(of: int) -> list[str]:
    """Wait up to 20 s for ``of`` events: the shipper goes on after the agent has ended."""
    deadline = time.monotonic() + 20
    while True:
        with transaction() as tx, tx.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(array_agg(event_type ORDER BY event_type), '{}') AS types FROM ml_tracking_events"
            )
            (row,) = cursor.fetchall()
        types: list[str] = dict(row)["types"]
        if len(types) >= of or time.monotonic() > deadline:
            return types
        time.sleep(0.1)


def test_the_orchestrators_snippet_runs_and_its_events_arrive(database, tmp_path):
    (snippet,) = re.findall(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(), re.DOTALL)

    done = subprocess.run(
        [sys.executable, "-c", snippet],
        env={**os.environ, "ML_PIPELINE_SPOOL": str(tmp_path / "spool"), "ML_PIPELINE_CACHE": str(tmp_path / "cache")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stderr == ""
    assert types_in_the_log(of=5) == ["outcome", "prediction", "prediction", "turn", "turn"]
    assert done.stdout.endswith("{'objection': 'caller', 'conversion': 'caller'}\n")


def test_every_document_the_readme_names_exists():
    named = re.findall(r"\]\(([^)#]+)\)", (PROJECT / "README.md").read_text())

    missing = [name for name in named if not (PROJECT / name).exists()]

    assert named
    assert missing == []
