"""Train every task on what is known by now, judge each candidate, publish the ones that are surely better.

Weekly, and by hand: the form asks for one task or all, a reason, and whether it is a dry run, which publishes nothing.
`collect` freezes the rows; a task then goes through `train`, `validate` and `publish` by itself, so one that fails
holds up no other. Tasks with too few labels, or with the same rows as last time, end in `collect`.

**Triage:** docs/runbooks/retrain_models.md. Retrying is always safe: a version is published once, and the old champion
serves until the transaction that replaces it.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, CronTriggerTimetable, Param, dag, task, task_group

from ml_pipeline.vocabulary.assets import MODELS

Ticket = dict[str, str]


@dag(
    schedule=CronTriggerTimetable("15 3 * * 1", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    params={
        "task": Param("all", type="string", description="all, or a task of the settings: objection, objection.detect"),
        "reason": Param("schedule", type="string", description="Why now; kept with the decision."),
        "dry_run": Param(False, type="boolean", description="Train and judge, publish nothing."),
    },
    default_args={"owner": "ml-pipeline", "retries": 2, "retry_delay": timedelta(seconds=30)},
    tags=["models"],
    doc_md=__doc__,
)
def retrain_models() -> None:
    @task
    def collect(params: dict[str, Any] | None = None) -> list[Ticket]:
        from ml_pipeline.jobs import retrain_models as job

        return job.collect(**(params or {}))

    @task
    def train(ticket: Ticket) -> Ticket:
        from ml_pipeline.jobs import retrain_models as job

        return job.train(ticket)

    @task
    def validate(ticket: Ticket) -> Ticket:
        from ml_pipeline.jobs import retrain_models as job

        return job.validate(ticket)

    @task(outlets=[Asset(MODELS)])
    def publish(ticket: Ticket, params: dict[str, Any] | None = None) -> dict[str, str]:
        from ml_pipeline.jobs import retrain_models as job

        return job.publish(ticket, dry_run=(params or {}).get("dry_run", False))

    @task_group
    def candidate(ticket: Any) -> None:
        publish(validate(train(ticket)))  # type: ignore[arg-type]  # between tasks a ticket is an XCom

    candidate.expand(ticket=collect())


retrain_models()
