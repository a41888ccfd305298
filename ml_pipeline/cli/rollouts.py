"""``ml-pipeline rollouts``: what is under way of each task, what it has shown, and what it waits for."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.text import Text

from ml_pipeline.cli.terminal import console
from ml_pipeline.database.engine import transaction
from ml_pipeline.settings import load_settings
from ml_pipeline.vocabulary.tasks import Task

if TYPE_CHECKING:
    from ml_pipeline.models.rollouts.standing import Held, Standing
    from ml_pipeline.models.rollouts.verdict import Verdict

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Underway:
    """``verdicts``: what a look finds now, by version. ``questions``: open ones. ``moves``: the newest first."""

    task: str
    standing: "Standing"
    verdicts: dict[str, "Verdict"]
    questions: list[Row]
    moves: list[Row]


def rollouts(
    task: Annotated[str, typer.Argument(help="objection, or objection.detect; without it, every task.")] = "",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Tell who serves, who is tried and held back, what they have shown so far, and what the next step waits for."""
    found = [_underway(each, datetime.now(UTC)) for each in load_settings().tasks if task in ("", *_names(each))]
    if not found:
        raise typer.BadParameter(f"no task called {task!r}")
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    out = console()
    for each in found:
        for line in _told(each):
            out.print(Text(line))


def _names(task: Task) -> tuple[str, str]:
    return task.name, f"{task.name}.{task.mode}"


def _underway(task: Task, now: datetime) -> Underway:
    from ml_pipeline.jobs import watch_rollouts as job  # and scikit-learn, a second that other commands need not wait
    from ml_pipeline.models.approvals import store as approvals
    from ml_pipeline.models.rollouts import store
    from ml_pipeline.models.rollouts.terms import terms_of

    with transaction() as tx:
        standing = store.standing(tx, task, now)
        moves = store.history(tx, task)
        asked = [row for row in approvals.waiting(tx) if (row["task"], row["mode"]) == (task.name, task.mode)]
    verdicts = job.look(task, standing, terms_of(load_settings()), now)
    return Underway(_names(task)[1], standing, verdicts, asked, moves)


def _told(found: Underway) -> Iterator[str]:
    from ml_pipeline.models.rollouts.wording import in_words

    yield found.task
    if found.standing.champion is None:
        yield "  nobody but the caller serves"
    for held in found.standing.held:
        yield f"  {_held(held)}"
        if verdict := found.verdicts.get(held.version):
            yield f"    {verdict.act.replace('_', ' ')}: {verdict.reason}"
            yield from (f"    {what}: {told}" for what, told in in_words(verdict.numbers).items())
    if found.standing.is_paused:
        yield "  paused: a kill switch is on, nothing goes on before it is off; ml-pipeline switch"
    for row in found.questions:
        default = "granted" if row["default_answer"] else "declined"
        yield f"  waits for a person: {row['version']}, {row['step']}; {default} at {_at(row['answer_by'])} else"
    if found.moves:
        last = found.moves[0]
        yield (
            f"  last move: {last['version']} {last['verdict'].lower().replace('_', ' ')} at {_at(last['decided_at'])}"
            f" ({last['actor']}: {last['reason']})"
        )


def _held(held: "Held") -> str:
    share = f" of {held.share:.0%}" if held.state in ("canary", "holdback") else ""
    return f"{held.version} {held.state}{share} since {_at(held.since)}"


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
