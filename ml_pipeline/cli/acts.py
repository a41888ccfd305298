"""``ml-pipeline acts``: what customers do in their turns, and who reads it."""

from pathlib import Path
from typing import Annotated

import typer

from ml_pipeline.acts import store
from ml_pipeline.database.engine import transaction

acts = typer.Typer(no_args_is_help=True, help="What customers do in their turns, and who reads it.")


@acts.command()
def train(
    annotated: Annotated[
        Path | None, typer.Option(help="A folder of PersuasionForGood, for acts that no task has labels for.")
    ] = None,
) -> None:
    """Train a tagger on labelled turns; it reads from now on if it surely reads better than the one that does."""
    from ml_pipeline.jobs import train_acts

    for name, value in train_acts.run(annotated).items():
        typer.echo(f"{name:<8} {value}")


@acts.command()
def tag(
    *, retag: Annotated[bool, typer.Option("--retag", help="Read again what another tagger read.")] = False
) -> None:
    """Read the new turns of trusted hours now, as the DAG tag_acts does."""
    from ml_pipeline.jobs import tag_acts

    typer.echo("  ".join(f"{name} {count:,}" for name, count in tag_acts.run(retag=retag).items()))


@acts.command()
def taggers() -> None:
    """List the taggers, the one that reads, and how well its heads read on conversations nobody learnt from."""
    with transaction() as tx:
        current, kept = store.current_tagger(tx), store.taggers(tx)
    typer.echo(f"reads: {current.version}")
    for tagger in kept:
        typer.echo(
            f"{tagger['version']}  {tagger['made_at']:%Y-%m-%d %H:%M} UTC  {tagger['verdict']}: {tagger['reason']}"
        )
    for head in current.heads:
        for act, found in head.quality.items():
            where = ",".join(head.languages.get(act, [])) or "rules"
            typer.echo(
                f"{act:<22} {where:<6} n {found.positives:>4}  precision {found.precision.value:.2f}"
                f"  recall {found.recall.value:.2f}  F1 {found.f1.value:.2f}"
                f" ({found.f1.low:.2f} to {found.f1.high:.2f}), rules {found.rules_f1.value:.2f}"
            )
