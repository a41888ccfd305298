"""Delete what is kept no longer: versions of models that neither serve nor could soon, in Postgres and in MLflow.

Runs every night. The settings `keep_versions` and `keep_versions_days` say how many and for how long; who holds a
state, is barred, or would serve after a rollback is always kept. What was decided stays for ever.

**Triage:** docs/runbooks/apply_retention.md. Retrying is always safe: what was deleted is not deleted twice, and a run
that was cut off is finished by the next.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task


@dag(
    schedule=CronTriggerTimetable("30 3 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "ml-pipeline", "retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["models"],
    doc_md=__doc__,
)
def apply_retention() -> None:
    @task
    def clean_registry() -> dict[str, int]:
        from ml_pipeline.jobs import apply_retention as job

        return job.clean_registry()

    clean_registry()


apply_retention()
