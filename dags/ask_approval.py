"""Ask a person what the policy wants a person for: a first champion, a canary step, a promotion.

Each run takes one open question, the most urgent that no run shows, asks it under *Required Actions*, and writes down
who answered what; without an answer in time the default holds. Several questions are several runs side by side; runs
that find nothing end at once. Which steps ask, and for how long, is the setting `approvals`.

**Triage:** docs/runbooks/ask_approval.md. Retrying is always safe: the first answer holds. A question whose run was
deleted is asked again by a run triggered with `again`.
"""

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import CronTriggerTimetable, Param, dag, task


@dag(
    schedule=CronTriggerTimetable("*/5 * * * *", timezone="UTC"),
    catchup=False,
    # Each waits for a person, maybe for days, and holds no worker: one run must not hide the next question.
    max_active_runs=16,
    params={"again": Param(False, type="boolean", description="Ask again what runs asked that are gone.")},
    default_args={"owner": "ml-pipeline", "retries": 2, "retry_delay": timedelta(seconds=30)},
    tags=["models"],
    doc_md=__doc__,
)
def ask_approval() -> None:
    @task
    def take(params: dict[str, Any] | None = None, run_id: str | None = None) -> list[dict[str, Any]]:
        from ml_pipeline.jobs import ask_approval as job

        return job.take(run_id, **(params or {}))

    @task
    def record(answers: Any, run_id: str | None = None) -> dict[str, str]:
        from ml_pipeline.jobs import ask_approval as job

        return job.record(run_id, answers)

    # Not ApprovalOperator: it skips what follows a no, and a no is to be written down as well.
    ask = HITLOperator.partial(
        task_id="ask",
        options=["Grant", "Decline"],
        params={"why": Param("", type="string", description="The reason, kept with your name.")},
    ).expand_kwargs(take())
    record(ask.output)


ask_approval()
