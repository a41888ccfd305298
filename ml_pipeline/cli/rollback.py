"""``ml-pipeline rollback`` and ``lift-bar``: takes a version out of service, and lets it be brought back."""

import getpass
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from ml_pipeline.cli import store
from ml_pipeline.database.engine import transaction
from ml_pipeline.vocabulary.tasks import CALLER


def rollback(
    task: Annotated[str, typer.Argument(help="objection, or objection.detect; without it, who serves.")] = "",
    to: Annotated[str, typer.Option(help="Who shall serve: a version that did, or caller.")] = "",
    why: Annotated[str, typer.Option(help="The reason, kept with your name.")] = "",
) -> None:
    """Undo the newest change of a task, or let a version serve again, in every agent within ten seconds."""
    from ml_pipeline.jobs import roll_back as job
    from ml_pipeline.models.rollouts import store as rollouts

    if not task:
        with transaction() as tx:
            lines = [*_serving(store.running_versions(tx)), *map(str, rollouts.bars(tx))]
        typer.echo("\n".join(lines) or "nobody but the caller serves")
        return
    if not why.strip():
        raise typer.BadParameter(f'say why: ml-pipeline rollback {task} --why "…"')
    done = job.run(task, why, getpass.getuser(), to)
    if done["status"] == "unchanged":
        typer.echo(f"nothing changed: {done['reason']}")
        return
    typer.echo(f"{done['to_version']} serves; in force in every agent within ten seconds")
    if done["from_version"] != CALLER:
        typer.echo(
            f"{done['from_version']} is barred until somebody lifts that:"
            f" ml-pipeline lift-bar {done['from_version']} --why …"
        )


def lift_bar(
    version: Annotated[str, typer.Argument(help="A barred version: objection.detect/3.")],
    why: Annotated[str, typer.Option(help="The reason, kept with your name.")],
) -> None:
    """Let a version that was rolled back be brought back, by naming it or by training it again."""
    from ml_pipeline.models.rollouts import store as rollouts

    with transaction() as tx:
        done = rollouts.lift_bar(tx, version, because=why.strip(), actor=getpass.getuser())
    if done["status"] == "refused":
        raise typer.BadParameter(done["reason"])
    typer.echo(
        "nothing changed: " + done["reason"] if done["status"] == "unchanged" else f"{version} is barred no more"
    )


def _serving(rows: list[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        share = f" of {row['traffic_share']:.0%}" if row["state"] in ("canary", "holdback") else ""
        yield (
            f"{row['version']:<28} {row['state']}{share} since {row['since']:%Y-%m-%d %H:%M} UTC"
            f" ({row['actor']}: {row['reason']})"
        )
