"""Read what customers do in their turns, and send the labels that follow from it into the log.

Runs every night: its labels change the hours they are about, which are judged again; by day that would keep the newest
hours from being read. One run drains every changed trusted hour. With the parameter `retag` it also reads again what
another tagger read.

**Triage:** docs/runbooks/tag_acts.md. Retrying is always safe: a turn's acts are replaced, a label is sent once.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, dag, task


@dag(
    schedule=CronTriggerTimetable("45 1 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "ml-pipeline", "retries": 2, "retry_delay": timedelta(seconds=30)},
    params={"retag": Param(False, type="boolean", description="Read again what another tagger read.")},
    tags=["acts"],
    doc_md=__doc__,
)
def tag_acts() -> None:
    @task
    def tag(params: dict[str, bool] | None = None) -> dict[str, int]:
        from ml_pipeline.jobs import tag_acts as job

        return job.run(**(params or {}))

    tag()


tag_acts()
