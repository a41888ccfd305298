"""Parses every DAG file as Airflow's DAG processor does and prints what it found as JSON. Run by conftest.py.

A process of its own, so that what a file imports is not hidden by what other tests imported before.
"""

import json
import sys
from pathlib import Path
from typing import Any

HEAVY = ("pandas", "numpy", "scipy", "sklearn", "mlflow", "great_expectations", "duckdb", "psycopg2")


def parsed(folder: Path) -> dict[str, Any]:
    from airflow.dag_processing.dagbag import DagBag

    loaded_by_airflow = set(sys.modules)
    bag = DagBag(str(folder), safe_mode=False)
    return {
        "errors": bag.import_errors,
        "warnings": {str(file): list(found) for file, found in bag.captured_warnings.items()},
        "seconds": {Path(stat.file).name: stat.duration.total_seconds() for stat in bag.dagbag_stats},
        "heavy": sorted(set(HEAVY) & set(sys.modules) - loaded_by_airflow),
        "dags": [
            {
                "dag_id": dag.dag_id,
                "file": Path(dag.fileloc).name,
                "owner": dag.owner,
                "tags": sorted(dag.tags),
                "doc": dag.doc_md or "",
                "max_active_runs": dag.max_active_runs,
                "catchup": dag.catchup,
                "retries": {task.task_id: task.retries for task in dag.tasks},
            }
            for dag in bag.dags.values()
        ],
    }


if __name__ == "__main__":
    print(json.dumps(parsed(Path(sys.argv[1]))))  # noqa: T201 - the answer to the test that started this
