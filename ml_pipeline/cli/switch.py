"""``ml-pipeline switch``: takes a part out of every running agent, and puts it back."""

import getpass
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated

import typer

from ml_pipeline.cli import store
from ml_pipeline.database.engine import transaction
from ml_pipeline.settings import load_settings


class Part(StrEnum):
    EXPERIMENTS = "experiments"
    CHALLENGERS = "challengers"
    PREDICTOR = "predictor"


class Position(StrEnum):
    ON = "on"
    OFF = "off"


EFFECTS = {
    Part.EXPERIMENTS: "conversations get the control arm",
    Part.CHALLENGERS: "no version runs in shadow or canary",
    Part.PREDICTOR: "the agent's own predictions stand",
}


def switch(
    part: Annotated[Part | None, typer.Argument(help="What to switch; without it, how the switches stand.")] = None,
    position: Annotated[Position | None, typer.Argument()] = None,
    why: Annotated[str, typer.Option(help="The reason, kept with your name.")] = "",
    only: Annotated[str, typer.Option(help="One experiment; one task of challengers or predictor.")] = "",
) -> None:
    """Switch experiments, challengers or the predictor off in every agent within ten seconds, or on again."""
    if part is None:
        with transaction() as tx:
            lines = [*_standing(store.kill_switches(tx)), *_left_out(store.experiments_left_out(tx))]
        typer.echo("\n".join(lines))
        return
    if position is None or not why.strip():
        raise typer.BadParameter(f'say on or off and why: ml-pipeline switch {part} off --why "…"')
    is_off = position is Position.OFF
    with transaction() as tx:
        _check_subject(part, only, store.experiment_names(tx))
        store.set_kill_switch(tx, str(part), is_on=is_off, reason=why.strip(), actor=getpass.getuser(), subject=only)
    what = f"{part} of {only}" if only else str(part)
    effect = f": {EFFECTS[part]}" if is_off else ""
    typer.echo(f"{what} switched {position}{effect}; in force in every agent within ten seconds")


def _check_subject(part: Part, only: str, experiments: list[str]) -> None:
    """Refuse a misspelt name: it would switch nothing off."""
    known = experiments if part is Part.EXPERIMENTS else [task.name for task in load_settings().tasks]
    if only and only not in known:
        raise typer.BadParameter(f"--only {only}: not one of {', '.join(known) or 'none'}")


def _standing(acts: Iterable[store.Row]) -> Iterator[str]:
    acts = list(acts)
    for part in Part:
        told = [act for act in acts if act["name"] == part]
        if not any(act["subject"] == "" for act in told):
            yield f"{part:<12} on"
        for act in told:
            what = f"{part:<12} {'off' if act['is_on'] else 'on'}"
            of = f" for {act['subject']}" if act["subject"] else ""
            yield f"{what}{of}, {act['set_at']:%Y-%m-%d %H:%M:%S} UTC, {act['actor']}: {act['reason']}"


def _left_out(broken: Iterable[store.Row]) -> Iterator[str]:
    for experiment in broken:
        yield f'experiment "{experiment["name"]}" is left out of the policy: {experiment["fault"]}'
