"""Read what customers do in their turns, and send the labels that follow from it into the log.

Runs when hours become trusted, and hourly in case that event was lost. One run drains every changed trusted hour. With
the parameter `retag` it also reads again what another tagger read.

**Triage:** docs/runbooks/tag_acts.md. Retrying is always safe: a turn's acts are replaced, a label is sent once.
"""

from datetime import timedelta

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, Param, dag, task

from ml_pipeline.vocabulary.assets import TRUSTED_FACTS


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("25 * * * *", timezone="UTC"), assets=[Asset(TRUSTED_FACTS)]
    ),
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
