"""Compare the recent week of conversations with the reference: data, predictions, labels, performance.

Runs hourly. A week is judged once it is over; until the next one is, the runs in between refresh it with late labels.

**Triage:** docs/runbooks/check_drift.md. Retrying is always safe: a window's checks are replaced. A run that finds too
few conversations succeeds and says so in its counts.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task


@dag(
    schedule=CronTriggerTimetable("50 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "ml-pipeline", "retries": 2, "retry_delay": timedelta(seconds=30)},
    tags=["drift"],
    doc_md=__doc__,
)
def check_drift() -> None:
    @task
    def check() -> dict[str, int]:
        from ml_pipeline.jobs import check_drift as job

        return job.run()

    check()


check_drift()
