"""How well acts are read: on annotated PersuasionForGood dialogues that nobody learnt from, and on the simulated floor.

One split by dialogue in time, the newest quarter held out; recipe, calibration and thresholds come from folds of the
others. Bounds are of 95 %, dialogues drawn. Rules alone are measured on the same turns.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.claims import Claim, told
from ml_pipeline.acts.document import Head, TaggerDocument, rules_only
from ml_pipeline.acts.tagger import Said, Tagger
from ml_pipeline.jobs import train_acts
from ml_pipeline.models import act_heads
from ml_pipeline.models.clustered import Score, average_precision, detections, mean, seen_by
from ml_pipeline.models.conversations import LabelledConversation, Spoken, Truth
from ml_pipeline.models.export import run as probabilities_of
from ml_pipeline.models.scores import MIN_SCORED_POSITIVES
from ml_pipeline.models.split import GATE
from ml_pipeline.models.training_set import TrainingSet, assemble
from ml_pipeline.online.predicting.bundle import decode
from ml_pipeline.samples import persuasion
from ml_pipeline.simulation.floor import SimulatedFloor, simulated_floor
from ml_pipeline.vocabulary.acts import ACT_PREFIX
from ml_pipeline.vocabulary.estimate import Estimate
from ml_pipeline.vocabulary.tasks import NEEDS, OBJECTION, Task

DATA = Path("..") / "shared" / "data" / "persuasionforgood"
CALLS = 2_400
TURNS_TIMED = 1_000
ROUNDS = 3


def claims() -> Iterator[Claim]:
    yield from _on_persuasion()
    yield from _on_the_floor()


def _on_persuasion() -> Iterator[Claim]:
    if not persuasion.recognises(DATA):
        print(f"acts on PersuasionForGood: skipped, {DATA} does not hold the set", file=sys.stderr)
        return
    rows = train_acts.annotated_set(persuasion.annotated_acts(DATA))
    head = train_acts.train_head(rows)
    yield from _quality("PersuasionForGood, en, held-out dialogues", head, rows.part(GATE))
    yield _speed(head, rows)


def _on_the_floor() -> Iterator[Claim]:
    """Learn from the calls that a person labelled, judge by what the customers of all others meant."""
    floor = simulated_floor(seed=11, conversations=CALLS)
    for task in (OBJECTION, NEEDS):
        labelled = assemble(_head(task), _conversations(floor, task, only_labelled=True))
        head = train_acts.train_head(labelled)
        newest = assemble(_head(task), _conversations(floor, task, only_labelled=False)).part(GATE)
        learnt = labelled.rows.loc[labelled.rows["part"] != GATE, "conversation_id"]
        is_unseen = ~newest.rows["conversation_id"].isin(learnt)
        for language in ("es", "en"):
            held_out = newest.take(np.flatnonzero(is_unseen & (newest.rows["language"] == language)))
            yield from _quality(f"simulated floor, {language}, calls nobody learnt from", head, held_out)


def _head(task: Task) -> Task:
    head = act_heads.head_of_task(task)
    assert head is not None
    return head


def _conversations(floor: SimulatedFloor, task: Task, *, only_labelled: bool) -> Iterator[LabelledConversation]:
    """Yield calls with what was meant at each customer turn; a person's labels say the same, of three calls in ten."""
    prefix = ACT_PREFIX[task.name]
    for dialogue in floor.source.dialogues:
        name, context = dialogue.conversation_id, {"language": str(dialogue.context.get("language", ""))}
        meant = {turn: known for turn in range(len(dialogue.messages)) if (known := floor.truth.get((name, turn)))}
        labels = {turn: known.objections if task is OBJECTION else known.needs for turn, known in meant.items()}
        truths = {
            turn: Truth(tuple(prefix + label for label in held), "human", dialogue.ended_at)
            for turn, held in labels.items()
        }
        spoken = tuple(
            Spoken(turn, said.role, said.content, context=context) for turn, said in enumerate(dialogue.messages)
        )
        if not only_labelled or any(label.source == "human" and label.turn for label in dialogue.late_labels):
            yield LabelledConversation(name, name, dialogue.started_at, spoken, truths)


def _quality(where: str, head: Head, held_out: TrainingSet) -> Iterator[Claim]:
    """Yield per act how it is read, then the mean F1 beside that of the rules."""
    document = train_acts.assembled(rules_only(), [head], "measured")
    ours, rules = train_acts.answers(document, held_out), train_acts.answers(rules_only(), held_out)
    sure = probabilities_of(decode(head.bundle.encode(), head.bundle_digest), held_out.rows)
    block = held_out.block()
    both: list[tuple[Score, Score]] = []
    for place, act in enumerate(held_out.task.labels):
        truth = seen_by(block, place)
        if truth.holds.sum() < MIN_SCORED_POSITIVES:
            continue
        found, by_rules = (detections(truth, answers[:, place]) for answers in (ours, rules))
        both.append((found["f1"], by_rules["f1"]))
        figures = {name: score.estimate() for name, score in found.items()}
        figures["average precision"] = average_precision(truth, sure[:, place]).estimate()
        figures |= {f"{name} of the rules alone": score.estimate() for name, score in by_rules.items()}
        yield _claim(f"F1 of {act} ({where})", figures.pop("f1"), figures, int(truth.holds.sum()))
    ours_mean, rules_mean = (mean(scores) for scores in zip(*both, strict=True))
    gain = (ours_mean - rules_mean).estimate()
    peers = {"F1": ours_mean.value, "F1 of the rules alone": rules_mean.value}
    yield Claim(
        f"{head.name}: mean F1 of {len(both)} acts over the rules alone ({where})",
        gain.value, "F1", 0.0, gain.low > 0, (gain.low, gain.high), 1, peers,
    )  # fmt: skip


def _claim(claim: str, figure: Estimate, others: dict[str, Estimate], turns: int) -> Claim:
    peers: dict[str, float] = {"turns that hold it": turns}
    for name, other in others.items():
        peers |= {name: other.value, f"{name}, low": other.low, f"{name}, high": other.high}
    return Claim(claim, figure.value, "F1", None, None, (figure.low, figure.high), 1, peers)


def _speed(head: Head, rows: TrainingSet) -> Claim:
    columns = (rows.rows[name].astype(str).head(TURNS_TIMED) for name in ("current", "previous", "language"))
    said = list(map(Said, *columns))
    with_head = train_acts.assembled(rules_only(), [head], "measured")
    rates = {document.version: [_turns_a_second(document, said) for _ in range(ROUNDS)]
             for document in (with_head, rules_only())}  # fmt: skip
    peers = {"rules alone, turns/s": float(np.median(rates[rules_only().version]))}
    return told("turns read a second, one process", rates["measured"], "turns/s", peers)


def _turns_a_second(document: TaggerDocument, said: list[Said]) -> float:
    tagger = Tagger(document)
    start = time.perf_counter()
    for each in said:
        tagger.read(each)
    return len(said) / (time.perf_counter() - start)
