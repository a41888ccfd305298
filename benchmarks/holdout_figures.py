"""Holdout figures of the shipped candidate on public dialogue sets, twice each: random and time split.

Intervals are 95 %, with errors by dialogue. CaSiNo carries no dates: its time split follows its dialogue numbers.
Context is what the online module would see: language, platform, age band. Where sentences can be read on this machine,
tasks whose labels are in the wording of the turn are answered twice, without and with them.

Run by ``make bench-holdout``; needs ../shared/data or HOLDOUT_DATA. ARGS picks studies by a word of their name.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.claims import Claim, write
from benchmarks.holdout_answers import FOLDS, Answered, Caller, Told, at_random, in_time
from benchmarks.labelled import labelled
from ml_pipeline.models.clustered import detections, figures, mean, seen_by
from ml_pipeline.models.scores import Block, Numbers
from ml_pipeline.models.training_set import TrainingSet, assemble
from ml_pipeline.models.triggers.recalibration import calibration_slope
from ml_pipeline.online.predicting.sentences import encoder
from ml_pipeline.samples import casino, persuasion
from ml_pipeline.samples.rule_agent import RuleAgent
from ml_pipeline.vocabulary.dialogue import Dialogue
from ml_pipeline.vocabulary.estimate import Estimate
from ml_pipeline.vocabulary.tasks import CONVERSION, Mode, Task

DATA = Path(os.environ.get("HOLDOUT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
CLEAR = ("disagreement", "negative_reaction")


@dataclass(frozen=True)
class Wanted:
    """One figure. A row is positive with any of ``labels``; ``bounds``: what random and time split should reach."""

    name: str
    metric: str
    labels: tuple[str, ...]
    bounds: tuple[float | None, float | None] = (None, None)
    exchange: int | None = None


@dataclass(frozen=True)
class Study:
    """Dialogues of one set read for one task; ``others``: the same, heard from the other side."""

    name: str
    task: Task
    dialogues: Callable[[], Iterable[Dialogue]]
    wanted: tuple[Wanted, ...]
    others: Callable[[], Iterable[Dialogue]] = tuple


def _objections(bounds: tuple[float | None, float | None], precision: float | None) -> tuple[Wanted, ...]:
    kinds = {"any objection": persuasion.OBJECTION.labels, "any objection but neutral reactions": CLEAR}
    return tuple(
        Wanted(name, metric, labels, bounds if metric == "auc" else (precision, None))
        for name, labels in kinds.items()
        for metric in ("auc", "macro_ap")
    )


def _needs() -> tuple[Wanted, ...]:
    return (
        Wanted("self-need", "auc", ("self-need",), (0.92, None)),
        Wanted("other-need", "auc", ("other-need",), (0.94, None)),
        Wanted("nine strategies", "macro_f1", casino.STRATEGIES, (0.56, None)),
    )


def _persuasion() -> tuple[Dialogue, ...]:
    return persuasion.read(DATA / persuasion.NAME).dialogues


def _casino() -> tuple[Dialogue, ...]:
    return casino.read(DATA / casino.NAME).dialogues


STUDIES = (
    Study("P4G, detect", persuasion.OBJECTION, _persuasion, _objections((0.86, 0.81), 0.35)),
    Study(
        "P4G, anticipate 3 turns",
        replace(persuasion.OBJECTION, mode=Mode.ANTICIPATE, horizon=3),
        _persuasion,
        _objections((None, None), None),
    ),
    Study(
        "CaSiNo, every utterance",
        casino.NEEDS,
        _casino,
        _needs(),
        others=lambda: casino.other_side(DATA / casino.NAME),
    ),
    Study("CaSiNo, customer turns", casino.NEEDS, _casino, _needs()),
    Study(
        "P4G, donation",
        CONVERSION,
        _persuasion,
        (
            Wanted("after 4 exchanges", "auc", ("sold",), exchange=4),
            Wanted("after 8 exchanges", "auc", ("sold",), (0.65, 0.58), exchange=8),
            Wanted("after 8 exchanges", "log_loss", ("sold",), exchange=8),
            Wanted("after 8 exchanges", "ece", ("sold",), (0.07, 0.07), exchange=8),
            Wanted("after 8 exchanges", "slope", ("sold",), (1.0, 1.0), exchange=8),
        ),
    ),
)


def claims(words: Iterable[str] = ()) -> Iterator[Claim]:
    """Yield what was found of the studies whose name has all ``words``."""
    for study in STUDIES:
        if all(word.lower() in study.name.lower() for word in words):
            dialogues, others = list(study.dialogues()), list(study.others())
            said = [*labelled(dialogues, study.task), *labelled(others, study.task, "/other side")]
            rows, caller = assemble(study.task, said), _caller(study.task, dialogues, others)
            for reads_sentences in _ways(study.task):
                way = "words and sentences" if reads_sentences else "words"
                for place, split in enumerate((at_random, in_time)):
                    answered = split(rows, caller, reads_sentences=reads_sentences)
                    for wanted in study.wanted:
                        yield _claim(f"{study.name}, {way}", wanted, place, answered)


def _ways(task: Task) -> tuple[bool, ...]:
    return (False, True) if task.mode is Mode.DETECT and encoder() else (False,)


def _caller(task: Task, dialogues: Iterable[Dialogue], others: Iterable[Dialogue]) -> Caller:
    """Return what the replay's rule agent answers to rows."""
    agent = RuleAgent([task])
    messages = {dialogue.conversation_id: dialogue.messages for dialogue in dialogues}
    messages |= {f"{dialogue.conversation_id}/other side": dialogue.messages for dialogue in others}

    def answers(part: TrainingSet) -> Numbers:
        told = []
        for conversation, turn in part.keys:
            said = [(message.role, message.content) for message in messages[conversation][: turn + 1]]
            told.append(list(agent.answer(said)[task.name].values()))
        return np.array(told)

    return answers


def _claim(study: str, wanted: Wanted, place: int, answered: Answered) -> Claim:
    if wanted.exchange is not None:
        exchange = answered.rows.rows.groupby("conversation_id")["turn"].rank()
        answered = answered.where(exchange == wanted.exchange)
    found = {who: _figure(wanted, answered.rows, told) for who, told in answered.answers.items()}
    ours, bound = found.pop("candidate"), wanted.bounds[place]
    table = answered.rows.rows
    metric = {"macro_ap": "AP", "macro_f1": "macro F1", "ece": "ECE"}.get(
        wanted.metric, wanted.metric.replace("_", " ")
    )
    return Claim(
        f"{study}: {wanted.name}, {('random', 'time')[place]} split, {metric} ({len(table):,} rows of"
        f" {table['customer_group'].nunique():,} dialogues)",
        ours.value,
        "1",
        bound,
        None if bound is None else _holds(wanted.metric, ours, bound),
        (ours.low, ours.high),
        (FOLDS, 1)[place],
        {who: told.value for who, told in found.items() if np.isfinite(told.value)},
    )


def _holds(metric: str, ours: Estimate, bound: float) -> bool:
    if metric == "slope":
        return ours.low <= bound <= ours.high
    return ours.value <= bound if metric == "ece" else ours.value >= bound


def _figure(wanted: Wanted, rows: TrainingSet, told: Told) -> Estimate:
    block = rows.block()
    places = [rows.task.labels.index(label) for label in wanted.labels]
    if wanted.metric == "macro_f1":
        return mean(detections(seen_by(block, label), told.called[:, label])["f1"] for label in places).estimate()
    truth = np.logical_or.reduce(block.truth[:, places], axis=1, keepdims=True)
    answer = 1 - np.prod(1 - told.probabilities[:, places], axis=1, keepdims=True)
    if wanted.metric == "slope":
        found = calibration_slope(answer[:, 0], truth[:, 0], np.ones(len(truth)), block.clusters)
        return found or Estimate(np.nan, np.nan, np.nan)
    # One row a dialogue where an exchange is fixed: no row weighs more than another.
    one = Block(("any",), truth, np.ones(len(truth)), block.clusters)
    return figures(one, answer, np.array([0.5]), (wanted.metric,))[wanted.metric].estimate()


if __name__ == "__main__":
    write("holdout", claims(sys.argv[1:]))
