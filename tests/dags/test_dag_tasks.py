"""Each task function, called as Airflow calls it, with its job faked."""

import inspect
from pathlib import Path
from typing import Any

import pytest

import ml_pipeline.jobs


class FakeJob:
    """Stands for a module of ml_pipeline.jobs; remembers every call of any of its functions."""

    def __init__(self, answer: dict[str, int]) -> None:
        self.answer = answer
        self.calls: list[str] = []

    def __getattr__(self, function: str) -> Any:
        def call(*_args: object, **_named: object) -> dict[str, int]:
            self.calls.append(function)
            return self.answer

        return call


class Counts(dict[str, int]):
    """What a job counted; whatever a task asks for is there."""

    def __missing__(self, _name: str) -> int:
        return 1


def loaded(file: Path) -> Any:
    """Return the DAG of ``file``."""
    from airflow.dag_processing.dagbag import DagBag

    (dag,) = DagBag(str(file), safe_mode=False).dags.values()
    return dag


def functions_of(dag: Any) -> dict[str, Any]:
    return {task.task_id: task.python_callable for task in dag.tasks if hasattr(task, "python_callable")}


def run(function: Any) -> Any:
    """Call a task function; what it gets from tasks before it says yes to everything."""
    required = [p for p in inspect.signature(function).parameters.values() if p.default is inspect.Parameter.empty]
    return function(**{parameter.name: Counts() for parameter in required})


def test_every_task_that_has_a_job_calls_it_once(dag_file, monkeypatch):
    functions = functions_of(loaded(dag_file))

    calls = {}
    for task_id, function in functions.items():
        job = FakeJob(Counts())
        monkeypatch.setattr(ml_pipeline.jobs, dag_file.stem, job, raising=False)
        run(function)
        calls[task_id] = len(job.calls)

    assert calls
    assert all(calls[task_id] == ("ml_pipeline.jobs" in inspect.getsource(functions[task_id])) for task_id in calls)


def test_a_task_that_runs_whatever_failed_hides_no_failure(dag_file):
    """The last tasks of a run alone decide whether it is green: one of them needs what it and its like follow."""
    dag = loaded(dag_file)

    for task in (each for each in dag.tasks if each.trigger_rule != "all_success"):
        followers = [dag.get_task(task_id) for task_id in task.downstream_task_ids]
        assert any(
            each.trigger_rule == "all_success" and task.upstream_task_ids < each.upstream_task_ids for each in followers
        ), task.task_id


@pytest.mark.parametrize("dag_id", ["analyze_feedback", "check_drift"])
def test_the_run_shows_what_the_job_counted(dag_id, monkeypatch):
    from tests.dags.conftest import DAGS

    (function,) = functions_of(loaded(DAGS / f"{dag_id}.py")).values()
    monkeypatch.setattr(ml_pipeline.jobs, dag_id, FakeJob({"errors": 3}), raising=False)

    assert function() == {"errors": 3}


def test_feedback_wakes_on_trusted_facts_and_every_hour():
    from ml_pipeline.vocabulary.assets import TRUSTED_FACTS
    from tests.dags.conftest import DAGS

    timetable = loaded(DAGS / "analyze_feedback.py").timetable

    assert [asset.name for asset in timetable.asset_condition.objects] == [TRUSTED_FACTS]
    assert timetable.timetable.expression == "35 * * * *"


def test_drift_is_looked_at_every_hour():
    from tests.dags.conftest import DAGS

    assert loaded(DAGS / "check_drift.py").timetable.expression == "50 * * * *"
