"""Project what the log received to facts, every minute, and name the hours that changed.

Wakes check_data_quality when changed hours wait and the last judgement is ten minutes old, or an hour closed since.

**Triage:** docs/runbooks/ingest_events.md. Nothing is lost while this fails: the ledger keeps what was not projected
and the next run takes it. Retrying is always safe.
"""

from datetime import timedelta

from airflow.sdk import Asset, CronTriggerTimetable, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from ml_pipeline.vocabulary.assets import FACTS


@dag(
    schedule=CronTriggerTimetable("* * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "ml-pipeline", "retries": 2, "retry_delay": timedelta(seconds=10)},
    tags=["facts"],
    doc_md=__doc__,
)
def ingest_events() -> None:
    @task
    def project() -> dict[str, int]:
        from ml_pipeline.jobs import ingest_events as job

        return job.run()

    @task(outlets=[Asset(FACTS)])
    def announce(counts: dict[str, int]) -> None:
        """Emit the facts asset; a skip emits nothing."""
        if not counts["is_due"]:
            raise AirflowSkipException("no judgement is due")

    announce(project())  # type: ignore[arg-type]  # Airflow hands the counts over at run time


ingest_events()
