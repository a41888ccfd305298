"""Compare predictions with what happened, and keep every error with its kind and its loss.

Runs when hours become trusted, and hourly in case that event was lost. One run drains every changed trusted hour.

**Triage:** docs/runbooks/analyze_feedback.md. Retrying is always safe: an hour's errors are replaced, never added to.
"""

from datetime import timedelta

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, dag, task

from ml_pipeline.vocabulary.assets import TRUSTED_FACTS


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("35 * * * *", timezone="UTC"), assets=[Asset(TRUSTED_FACTS)]
    ),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "ml-pipeline", "retries": 2, "retry_delay": timedelta(seconds=30)},
    tags=["feedback"],
    doc_md=__doc__,
)
def analyze_feedback() -> None:
    @task
    def analyze() -> dict[str, int]:
        from ml_pipeline.jobs import analyze_feedback as job

        return job.run()

    analyze()


analyze_feedback()
