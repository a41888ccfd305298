"""Let MLflow's aliases champion, challenger, holdback and previous say what Postgres says.

Runs every five minutes. An alias that lags behind follows; one that somebody else moved is moved back and recorded,
which the alert rule alias_moved tells of. Nobody serves by an alias: agents obey the policy alone.

**Triage:** docs/runbooks/mirror_registry.md. Retrying is always safe: an alias that says what it should is left alone.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task


@dag(
    schedule=CronTriggerTimetable("*/5 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "ml-pipeline", "retries": 1, "retry_delay": timedelta(seconds=30)},
    tags=["models"],
    doc_md=__doc__,
)
def mirror_registry() -> None:
    @task
    def mirror() -> dict[str, int]:
        from ml_pipeline.jobs import mirror_registry as job

        return job.run()

    mirror()


mirror_registry()
