"""Take a model out of service by hand: the form asks for the task, who shall serve instead, and why.

Without a version the newest change is undone: a challenger that runs is taken out; where none runs, the champion is,
and who was champion before serves again. With one, that version serves, or `caller`, nobody but the agent itself. Every
agent that reaches Postgres follows within ten seconds. What was taken out stays barred until a person lifts the bar.

**Triage:** docs/runbooks/roll_back.md. Needs no Airflow: `ml-pipeline rollback` and `SELECT rollback_task(…)` do the
same. Retrying is safe: what is undone is not undone twice.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    params={
        "task": Param(type="string", minLength=1, description="A task of the settings: objection, objection.detect"),
        "version": Param(
            "", type="string", description="Who shall serve: objection.detect/3, caller; empty: as before."
        ),
        "why": Param(type="string", minLength=1, description="The reason, kept with your name."),
    },
    default_args={"owner": "ml-pipeline", "retries": 1, "retry_delay": timedelta(seconds=5)},
    tags=["models"],
    doc_md=__doc__,
)
def roll_back() -> None:
    @task
    def take_out(params: dict[str, Any] | None = None, dag_run: Any = None) -> dict[str, Any]:
        from ml_pipeline.jobs import roll_back as job

        return job.run(**(params or {}), actor=getattr(dag_run, "triggering_user_name", None) or "airflow")

    take_out()


roll_back()
