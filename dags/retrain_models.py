"""Train tasks on what is known by now, judge each candidate, publish the ones that are surely better.

When `request_retraining` asks for it (weekly, and when a trigger fires), and by hand: the form asks for one task or
all, a reason, from when to when conversations teach, and whether it is a dry run, which publishes nothing.
`collect` freezes the rows; a task then goes through `train`, `validate` and `publish` by itself, so one that fails
holds up no other. Tasks with too few labels, or with the same rows as last time, end in `collect`.

**Triage:** docs/runbooks/retrain_models.md. Retrying is always safe: a version is published once, and the old champion
serves until the transaction that replaces it.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, Param, dag, task, task_group

from ml_pipeline.vocabulary.assets import MODELS, RETRAINING_REQUESTS

Ticket = Any
WHEN: dict[str, Any] = {"type": ["null", "string"], "format": "date-time"}


@dag(
    schedule=[Asset(RETRAINING_REQUESTS)],
    catchup=False,
    max_active_runs=1,
    params={
        "task": Param("all", type="string", description="all, or a task of the settings: objection, objection.detect"),
        "reason": Param("asked by hand", type="string", minLength=1, description="Why now; kept with the decision."),
        "start": Param(None, **WHEN, description="Only conversations that started from then on; empty: all."),
        "end": Param(None, **WHEN, description="Only conversations that started before; empty: all."),
        "dry_run": Param(False, type="boolean", description="Train and judge, publish nothing."),
    },
    default_args={"owner": "ml-pipeline", "retries": 2, "retry_delay": timedelta(seconds=30)},
    tags=["models"],
    doc_md=__doc__,
)
def retrain_models() -> None:
    @task
    def collect(
        params: dict[str, Any] | None = None,
        triggering_asset_events: Any = None,
        run_id: str | None = None,
        dag_run: Any = None,
    ) -> list[Ticket]:
        from ml_pipeline.jobs import retrain_models as job

        actor = getattr(dag_run, "triggering_user_name", None)
        return job.collect_for_run(params or {}, is_woken=bool(triggering_asset_events), run_id=run_id, actor=actor)

    @task
    def train(ticket: Ticket) -> Ticket:
        from ml_pipeline.jobs import retrain_models as job

        return job.train(ticket)

    @task
    def validate(ticket: Ticket) -> Ticket:
        from ml_pipeline.jobs import retrain_models as job

        return job.validate(ticket)

    @task(outlets=[Asset(MODELS)])
    def publish(ticket: Ticket) -> dict[str, str]:
        from ml_pipeline.jobs import retrain_models as job

        return job.publish(ticket)

    @task_group
    def candidate(ticket: Any) -> None:
        publish(validate(train(ticket)))

    candidate.expand(ticket=collect())


retrain_models()
