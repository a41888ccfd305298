"""What every file in dags/ owes: it declares when and what, and nothing else."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.dags.conftest import DAGS, FILES

RUNBOOKS = DAGS.parent / "docs" / "runbooks"
ALLOWED_IMPORTS = ("airflow.sdk", "airflow.providers.standard", "ml_pipeline.jobs", "ml_pipeline.vocabulary")
LOGIC = (ast.For, ast.While, ast.Try, ast.With, ast.Lambda, ast.comprehension)
PARSE_SECONDS = 2.0
"""A file takes 60 ms; Airflow parses each one every half minute, and again in every task."""


WAITS_FOR_PEOPLE = {"ask_approval"}
"""A run of these lasts until somebody answered: one must not hide the next."""


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imported(node: ast.AST) -> Iterator[str]:
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            yield from (name.name for name in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield child.module or "."


def task_functions(file: Path) -> list[ast.FunctionDef]:
    """Return the functions that Airflow runs as tasks: decorated with ``@task`` or one of its kinds."""
    return [
        node
        for node in ast.walk(tree(file))
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(decorator).split("(")[0].split(".")[0] == "task" for decorator in node.decorator_list)
    ]


def calls_in(function: ast.FunctionDef) -> list[str]:
    """Return what the body calls, decorators left aside."""
    nodes = (node for statement in function.body for node in ast.walk(statement))
    return [ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)]


def dag_of(parsed: dict[str, Any], file: Path) -> dict[str, Any]:
    found: list[dict[str, Any]] = [dag for dag in parsed["dags"] if dag["file"] == file.name]
    assert len(found) == 1, [dag["dag_id"] for dag in found]
    return found[0]


def test_there_are_dags():
    assert FILES


def test_all_files_parse_without_errors_or_warnings(parsed):
    assert parsed["errors"] == {}
    assert parsed["warnings"] == {}


def test_parsing_loads_no_heavy_library(parsed):
    assert parsed["heavy"] == []


def test_a_file_parses_quickly(parsed, dag_file):
    assert parsed["seconds"][dag_file.name] < PARSE_SECONDS


def test_a_file_is_short(dag_file):
    assert len(dag_file.read_text(encoding="utf-8").splitlines()) <= 80


def test_a_file_holds_one_dag_of_its_name(parsed, dag_file):
    assert dag_of(parsed, dag_file)["dag_id"] == dag_file.stem


def test_a_dag_says_what_it_does_and_what_to_do_when_it_fails(parsed, dag_file):
    said = ast.get_docstring(tree(dag_file)) or ""

    assert "**Triage:**" in said
    assert "**Triage:**" in dag_of(parsed, dag_file)["doc"]


def test_a_dag_has_an_owner_and_tags(parsed, dag_file):
    dag = dag_of(parsed, dag_file)

    assert dag["owner"] not in ("", "airflow")
    assert dag["tags"]


def test_every_task_may_fail_once(parsed, dag_file):
    retries = dag_of(parsed, dag_file)["retries"]

    assert retries
    assert min(retries.values()) >= 1, retries


def test_a_dag_runs_once_at_a_time_and_does_not_catch_up(parsed, dag_file):
    dag = dag_of(parsed, dag_file)

    assert (dag["max_active_runs"] == 1) != (dag["dag_id"] in WAITS_FOR_PEOPLE)
    assert dag["catchup"] is False


def test_a_file_imports_only_airflow_s_interface_jobs_and_words(dag_file):
    foreign = [
        module
        for module in imported(tree(dag_file))
        if module.split(".")[0] not in sys.stdlib_module_names
        and not any(module == allowed or module.startswith(f"{allowed}.") for allowed in ALLOWED_IMPORTS)
    ]

    assert foreign == []


def test_jobs_are_imported_inside_tasks_only(dag_file):
    at_the_top = [module for node in tree(dag_file).body if isinstance(node, ast.Import | ast.ImportFrom)
                  for module in imported(node)]  # fmt: skip

    assert not any(module.startswith("ml_pipeline.jobs") for module in at_the_top)


def test_a_task_is_one_import_and_one_call_of_its_job(dag_file):
    for function in task_functions(dag_file):
        jobs = [node for node in ast.walk(function) if isinstance(node, ast.ImportFrom)]
        calls = [call for call in calls_in(function) if call.split(".")[0] == "job"]
        if jobs:
            assert [(node.module, node.names[0].name, node.names[0].asname) for node in jobs] == [
                ("ml_pipeline.jobs", dag_file.stem, "job")
            ], function.name
            assert len(calls) == 1, function.name
        else:
            # A task without a job only tells Airflow whether to go on.
            assert set(calls_in(function)) <= {"AirflowSkipException"}, function.name


def test_a_task_holds_no_logic(dag_file):
    for function in task_functions(dag_file):
        body = function.body[1:] if ast.get_docstring(function) else function.body
        held = [type(node).__name__ for node in ast.walk(function) if isinstance(node, LOGIC)]
        assert held == [], function.name
        assert len(body) <= 3, function.name


def test_every_job_is_called_by_its_dag(dag_file):
    jobs = {
        node.name for node in task_functions(dag_file) if any(module == "ml_pipeline.jobs" for module in imported(node))
    }

    assert jobs


def test_every_dag_has_its_runbook(dag_file):
    runbook = RUNBOOKS / f"{dag_file.stem}.md"

    assert runbook.is_file(), f"write docs/runbooks/{runbook.name}"
    assert runbook.read_text(encoding="utf-8").startswith(f"# {dag_file.stem}\n")
