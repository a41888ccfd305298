"""Make the metrics of trusted hours that changed again: accuracy, confidence, latency, throughput, errors, sales.

Runs when hours become trusted, and hourly. A run drains all changed trusted hours, and makes those of its own interval
again: so a backfill, or a run by hand with `start` and `end`, recomputes history and finds the same numbers.

**Triage:** docs/runbooks/roll_up_metrics.md. Retrying is always safe: an hour's rows are replaced. Hours that stay away
are held: see check_data_quality.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import Asset, AssetOrTimeSchedule, CronDataIntervalTimetable, Param, dag, task

from ml_pipeline.vocabulary.assets import TRUSTED_FACTS

WHEN: dict[str, Any] = {"type": ["null", "string"], "format": "date-time"}


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronDataIntervalTimetable("0 * * * *", timezone="UTC"), assets=[Asset(TRUSTED_FACTS)]
    ),
    # A backfill needs a beginning; nothing is caught up from here.
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    params={"start": Param(None, **WHEN), "end": Param(None, **WHEN)},
    default_args={"owner": "ml-pipeline", "retries": 2, "retry_delay": timedelta(seconds=30)},
    tags=["metrics"],
    doc_md=__doc__,
)
def roll_up_metrics() -> None:
    @task
    def roll_up(
        params: dict[str, str | None] | None = None,
        data_interval_start: datetime | None = None,
        data_interval_end: datetime | None = None,
    ) -> dict[str, int]:
        from ml_pipeline.jobs import roll_up_metrics as job

        asked = params or {}
        return job.run(asked.get("start") or data_interval_start, asked.get("end") or data_interval_end)

    @task
    def find_trends() -> dict[str, int]:
        from ml_pipeline.jobs import roll_up_metrics as job

        return job.find_trends()

    @task
    def mature_rates(
        params: dict[str, str | None] | None = None, data_interval_end: datetime | None = None
    ) -> dict[str, int]:
        from ml_pipeline.jobs import roll_up_metrics as job

        return job.mature_rates((params or {}).get("end") or data_interval_end)

    @task(trigger_rule="all_done")
    def judge_alerts() -> dict[str, int]:
        from ml_pipeline.jobs import roll_up_metrics as job

        return job.judge_alerts()

    figures, alerts = find_trends(), judge_alerts()
    roll_up() >> mature_rates() >> figures >> alerts
    # The last tasks alone decide whether a run is green: alerts are judged whatever failed, and shall not hide it.
    [figures, alerts] >> EmptyOperator(task_id="nothing_failed")


roll_up_metrics()
