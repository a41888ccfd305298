"""``ml-pipeline approve`` and ``decline``: say yes or no to what waits for a person."""

import getpass
from typing import Annotated

import typer
from rich.table import Table

from ml_pipeline.cli.store import Row
from ml_pipeline.cli.terminal import console
from ml_pipeline.database.engine import transaction
from ml_pipeline.models.approvals import store

Task = Annotated[str | None, typer.Argument(help="A task, with its mode or without; without it, what waits.")]
Why = Annotated[str, typer.Option(help="The reason, kept with your name.")]
Step = Annotated[str, typer.Option(help="Which step, where several of the task wait.")]


def approve(task: Task = None, why: Why = "", step: Step = "") -> None:
    """Let a version take the step it waits for; without a task, list what waits."""
    _answer(task, why, step, is_granted=True)


def decline(task: Task = None, why: Why = "", step: Step = "") -> None:
    """Keep a version from the step it waits for; without a task, list what waits."""
    _answer(task, why, step, is_granted=False)


def _answer(task: str | None, why: str, step: str, *, is_granted: bool) -> None:
    with transaction() as tx:
        waiting = store.waiting(tx)
        if task is None:
            console().print(_table(waiting) if waiting else "Nothing waits for a person.")
            return
        if not why.strip():
            raise typer.BadParameter("say why: --why, kept with your name")
        approval = _chosen(waiting, task, step)
        told = store.answer(tx, approval["approval"], is_granted=is_granted, actor=getpass.getuser(), because=why)
    if told["status"] == "refused":
        raise typer.BadParameter(told["reason"])
    already = "already " if told["status"] == "unchanged" else ""
    word = "granted" if told["is_granted"] else "declined"
    typer.echo(f"{approval['version']}, {approval['step']}: {already}{word} by {told['actor']}: {told['reason']}")


def _chosen(waiting: list[Row], task: str, step: str) -> Row:
    of_task = [row for row in waiting if task in (row["task"], f"{row['task']}.{row['mode']}")]
    found = [row for row in of_task if step in ("", row["step"])]
    if len(found) == 1:
        return found[0]
    steps = ", ".join(f"{row['version']}: {row['step']}" for row in of_task)
    if not found:
        raise typer.BadParameter(f"nothing of {task} waits" + (f" at {step!r}; what waits: {steps}" if of_task else ""))
    raise typer.BadParameter(f"several steps of {task} wait; name one by --step: {steps}")


def _table(waiting: list[Row]) -> Table:
    table = Table(title="Waits for a person", title_justify="left")
    for column in ("version", "step", "what", "answer by (UTC)", "else"):
        table.add_column(column, no_wrap=column != "what")
    for row in waiting:
        default = "granted" if row["default_answer"] else "declined"
        table.add_row(row["version"], row["step"], row["headline"], f"{row['answer_by']:%Y-%m-%d %H:%M}", default)
    return table
