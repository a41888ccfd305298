"""Look at every model on its way from shadow to champion, and at who was held back after a promotion.

Runs every 15 minutes. What does harm is taken back, what has shown enough goes on to the next step, a holdback ends
when its time is over: at most one move per task and run, each a decision with its evidence. Where the policy wants a
person, the move waits for the answer.

**Triage:** docs/runbooks/watch_rollouts.md. Retrying is always safe: a move is made once, and a run that was overtaken
by a rollback or a promotion changes nothing.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task


@dag(
    schedule=CronTriggerTimetable("*/15 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "ml-pipeline", "retries": 2, "retry_delay": timedelta(seconds=30)},
    tags=["models"],
    doc_md=__doc__,
)
def watch_rollouts() -> None:
    @task
    def watch() -> dict[str, int]:
        from ml_pipeline.jobs import watch_rollouts as job

        return job.run()

    watch()


watch_rollouts()
