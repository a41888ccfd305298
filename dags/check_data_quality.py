"""Judge the hours whose facts changed, and those that are held, with Great Expectations: each is trusted or held.

Runs when ingest_events announces facts. Succeeds whenever it reached a verdict; what follows is only woken when an hour
became trusted, or was released and is still to be read.

**Triage:** docs/runbooks/check_data_quality.md. A skipped `announce` means that nothing became trusted: look at
`ml-pipeline quality status`. Retrying is always safe: without a verdict an hour stays pending.
"""

from datetime import timedelta

from airflow.sdk import Asset, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from ml_pipeline.vocabulary.assets import FACTS, TRUSTED_FACTS


@dag(
    schedule=[Asset(FACTS)],
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "ml-pipeline", "retries": 2, "retry_delay": timedelta(seconds=30)},
    tags=["quality"],
    doc_md=__doc__,
)
def check_data_quality() -> None:
    @task
    def judge() -> dict[str, int]:
        from ml_pipeline.jobs import check_data_quality as job

        return job.run()

    @task(outlets=[Asset(TRUSTED_FACTS)])
    def announce(counts: dict[str, int]) -> None:
        """Emit the trusted facts asset; a skip emits nothing."""
        if not counts["hours_trusted"] and not counts["hours_released"]:
            raise AirflowSkipException("no hour became trusted, and none was released")

    announce(judge())  # type: ignore[arg-type]  # Airflow hands the counts over at run time


check_data_quality()
