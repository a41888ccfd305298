"""``ml-pipeline explain``: which version served a turn and why, and what became of a version and why."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any

import msgspec
import typer
from rich.text import Text

from ml_pipeline.cli.terminal import console
from ml_pipeline.database.engine import transaction
from ml_pipeline.models.history import store
from ml_pipeline.models.history.evidence import in_words
from ml_pipeline.models.history.store import Row, Story, Turn
from ml_pipeline.models.history.turns import Answer, Answered
from ml_pipeline.settings import load_settings

explain = typer.Typer(no_args_is_help=True, help="Why a turn was answered so, and why a version serves or does not.")

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


@explain.command()
def prediction(
    subject: Annotated[
        str, typer.Argument(help="A prediction's event id, an answer's tracking id, or a conversation.")
    ],
    turn: Annotated[int | None, typer.Argument(min=0, help="The turn of a conversation; the first is 0.")] = None,
    *,
    task: Annotated[str, typer.Option(help="Only this task: objection, or objection.detect.")] = "",
    as_json: AsJson = False,
) -> None:
    """Tell which version, bundle, arm, threshold and features served a turn, why, and what turned out."""
    with transaction() as tx:
        conversation, number = (subject, turn) if turn is not None else store.find_turn(tx, subject)
        found = store.turn(tx, conversation, number, load_settings().tasks)
    chosen = tuple(one for one in found.answered if task in ("", one.task, f"{one.task}.{one.mode}"))
    if task and not chosen:
        known = ", ".join(f"{one.task}.{one.mode}" for one in found.answered) or "none"
        raise typer.BadParameter(f"--task {task}: not predicted on this turn; what was: {known}")
    if as_json:
        _write(replace(found, answered=chosen))
        return
    _print(_turn(found, chosen))


@explain.command()
def promotion(
    version: Annotated[str, typer.Argument(help="A version: objection.detect/3.")], *, as_json: AsJson = False
) -> None:
    """Tell why a version was promoted or was not: each decision with its evidence, who asked, who approved."""
    with transaction() as tx:
        found = store.story(tx, version.strip())
    if as_json:
        _write(found)
        return
    _print(_story(found))


def _print(lines: Iterator[str]) -> None:
    out = console()
    for line in lines:
        out.print(Text(line))


def _write(document: Any) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(document)).decode())


def _turn(found: Turn, chosen: Sequence[Answered]) -> Iterator[str]:
    named = f", the agent's {found.client_id}" if found.client_id else ""
    yield f"Turn {found.turn} of conversation {found.conversation_id}{named}"
    for arm in (row for row in found.arms if not row["experiment"].startswith("rollout ")):
        yield f"experiment {arm['experiment']}: arm {arm['arm']}, chance {arm['propensity']:.2f}, {arm['reason']}"
    for failure in found.failures:
        yield f"{failure['at']:%Y-%m-%d %H:%M:%S} UTC: instead of an answer the agent sent: {failure['error']}"
    for answered in chosen:
        yield ""
        yield from _answered(answered)


def _answered(found: Answered) -> Iterator[str]:
    served = found.served
    who = served.version if served else "nobody"
    yield f"{found.task}.{found.mode}: {who} served, {found.at:%Y-%m-%d %H:%M:%S} UTC"
    yield f"  because     {found.why}"
    if policy := found.policy:
        off = f", switched off: {', '.join(policy.off)}" if policy.off else ""
        yield f"  policy      {policy.epoch}.{policy.n} of {policy.published_at:%Y-%m-%d %H:%M:%S} UTC{off}"
    for answer in found.answers:
        yield from _answer(found, answer)
    truth = found.truth
    said = f"{', '.join(truth.labels) or 'none of its labels'}, says {truth.source}" if truth else "not known yet"
    yield f"  turned out  {said}" + (f", learnt {truth.learnt_at:%Y-%m-%d %H:%M} UTC" if truth else "")


def _answer(found: Answered, answer: Answer) -> Iterator[str]:
    entry = found.policy.named(answer.version) if found.policy else None
    held = f" ({entry.state}{f' of {entry.share:.0%}' if 0 < entry.share < 1 else ''})" if entry else ""
    chance = "" if answer.propensity is None else f", chance of being served {answer.propensity:.2f}"
    yield f"  {'served' if answer.is_served else 'beside':<10}  {answer.version}{held}{chance}"
    yield f"    said      {_said(answer)}"
    if entry:
        yield f"    bundle    {entry.digest}"
    if answer.feature_digest:
        yield f"    features  revision {answer.feature_revision}, digest {answer.feature_digest}"
    if answer.latency_ms is not None:
        yield f"    took      {answer.latency_ms:.1f} ms"
    if answer.context:
        yield f"    context   {', '.join(f'{name} {value}' for name, value in answer.context.items())}"
    yield f"    event     {answer.event_id}"


def _said(answer: Answer) -> str:
    said = []
    for label, probability in answer.probabilities.items():
        threshold = answer.thresholds.get(label)
        bound = "" if threshold is None else f" (threshold {threshold:.3f})"
        said.append(f"{label} {probability:.3f}{bound}")
    return f"{', '.join(answer.labels) or 'none'}; " + ", ".join(said)


def _story(found: Story) -> Iterator[str]:
    yield f"{found.version}: {_now(found)}"
    if bundle := found.bundle:
        size = "deleted by retention" if bundle["bytes"] is None else f"{bundle['bytes']:,} bytes"
        yield f"bundle {bundle['digest']}, {size}"
    lines = [(row["decided_at"], list(_decided(found.version, row))) for row in found.decisions]
    lines += [(row["asked_at"], list(_asked(row))) for row in found.approvals]
    for _, told in sorted(lines, key=lambda line: line[0]):
        yield ""
        yield from told


def _now(found: Story) -> str:
    """Return in a sentence what the version is, and why it is no champion where it is none."""
    waiting = next((row for row in found.approvals if row["answered_at"] is None), None)
    if (holds := found.holds) is None:
        last = found.decisions[-1]
        return f"not promoted, {last['verdict']}: {last['reason']}"
    since = f"since {holds['since']:%Y-%m-%d %H:%M} UTC ({holds['actor']}: {holds['reason']})"
    if holds["state"] == "champion":
        return f"champion {since}"
    if waiting:
        until = f"{waiting['answer_by']:%Y-%m-%d %H:%M} UTC"
        return f"not champion yet, it waits for a person until {until}: {waiting['step']}; {holds['state']} {since}"
    if holds["state"] in ("shadow", "canary", "candidate"):
        share = f" of {holds['share']:.0%}" if holds["share"] else ""
        return f"not champion yet, {holds['state']}{share} {since}"
    was = any(row["state"] == "champion" for row in found.decisions)
    barred = "barred, " if holds["state"] == "rolled_back" else ""
    return f"{'champion no more' if was else 'not promoted'}, {barred}{holds['state']} {since}"


def _decided(version: str, row: Row) -> Iterator[str]:
    about = "" if row["about"] == version else f" about {row['about']}"
    became = f", by which it became {_state(row)}" if row["state"] else ""
    yield (
        f"{row['decided_at']:%Y-%m-%d %H:%M:%S} UTC  {row['kind']} {row['verdict']}{about} by {row['actor']}{became}"
    )
    yield f"  {row['reason']}"
    if row["about"] == version:
        yield from (f"    {line}" for line in in_words(row["kind"], row["evidence"]))


def _state(row: Row) -> str:
    return f"{row['state']} of {row['share']:.0%}" if row["state"] in ("canary", "holdback") else str(row["state"])


def _asked(row: Row) -> Iterator[str]:
    yield f"{row['asked_at']:%Y-%m-%d %H:%M:%S} UTC  approval asked for {row['step']}: {row['headline']}"
    if row["answered_at"] is None:
        yield f"  waits until {row['answer_by']:%Y-%m-%d %H:%M} UTC"
    else:
        word = "granted" if row["is_granted"] else "declined"
        yield f"  {word} by {row['actor']} {row['answered_at']:%Y-%m-%d %H:%M:%S} UTC: {row['reason']}"
