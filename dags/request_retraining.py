"""Look every hour whether a task needs retraining, and ask for it where it does.

Triggers are data (ml_pipeline/models/triggers/triggers.toml and the settings): a schedule, new labels, age, a drop in
performance, calibration, drift with its cost, what an agent asks for. Every look leaves a row with its inputs and its
verdict. While a request waits for a run, `announce` emits the asset that starts `retrain_models`.

**Triage:** docs/runbooks/request_retraining.md. Retrying is always safe: what was asked for is not asked for again.
"""

from datetime import timedelta

from airflow.sdk import Asset, CronTriggerTimetable, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from ml_pipeline.vocabulary.assets import RETRAINING_REQUESTS


@dag(
    schedule=CronTriggerTimetable("5 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "ml-pipeline", "retries": 2, "retry_delay": timedelta(seconds=30)},
    tags=["models"],
    doc_md=__doc__,
)
def request_retraining() -> None:
    @task
    def evaluate() -> dict[str, int]:
        from ml_pipeline.jobs import request_retraining as job

        return job.run()

    @task(outlets=[Asset(RETRAINING_REQUESTS)])
    def announce(counts: dict[str, int]) -> None:
        """Emit the asset of requests; a skip emits nothing."""
        if not counts["due"]:
            raise AirflowSkipException("no request waits for a run")

    announce(evaluate())  # type: ignore[arg-type]  # Airflow hands the counts over at run time


request_retraining()
