"""Models of acts: what a tagger's head is trained from, what it sees, and how well it reads."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from ml_pipeline.models.candidates.columns import Columns, word_columns
from ml_pipeline.models.candidates.fit import fit_by_folds
from ml_pipeline.models.candidates.search import search
from ml_pipeline.models.clustered import detections, seen_by
from ml_pipeline.models.conversations import LabelledConversation, Spoken
from ml_pipeline.models.scores import MIN_SCORED_POSITIVES, Flags
from ml_pipeline.models.split import CALIBRATION, GATE, TRAIN
from ml_pipeline.models.training_set import TrainingSet
from ml_pipeline.vocabulary.acts import ACT_PREFIX, Act
from ml_pipeline.vocabulary.estimate import Estimate
from ml_pipeline.vocabulary.tasks import LabelSource, Mode, Task, TaskKind

SPOKEN_FOR = frozenset({LabelSource.HUMAN, LabelSource.CRM})
"""Whose labels teach acts: never derived ones, which would teach a tagger its own mistakes, nor an agent's."""
MIN_EXAMPLES_OF_A_LANGUAGE = 20
"""With fewer in a language the rules read it."""


def act_task(name: str, acts: Sequence[Act]) -> Task:
    return Task(name, TaskKind.MULTI_LABEL, tuple(map(str, acts)), Mode.DETECT, "turn", "macro_ap")


def head_of_task(task: Task) -> Task | None:
    """Return the head that labels of ``task`` can teach; None where no label of it is an act."""
    known = frozenset(map(str, Act))
    prefix = ACT_PREFIX.get(task.name, "")
    acts = [Act(prefix + label) for label in task.labels if prefix and prefix + label in known]
    return act_task(task.name, acts) if acts and task.scope == "turn" else None


def as_acts(
    conversations: Iterable[LabelledConversation], task: Task, languages: Mapping[str, str]
) -> list[LabelledConversation]:
    """Return the conversations with the truths that a person or the CRM told, labels as acts.

    ``languages``: of the conversations of which it is known, told whatever a turn's prediction saw.
    """
    prefix = ACT_PREFIX[task.name]

    def spoken(one: Spoken, language: str) -> Spoken:
        return replace(one, context={**one.context, "language": language}, stored_digest=None)

    return [
        replace(
            each,
            spoken=tuple(spoken(one, languages.get(each.conversation_id, "")) for one in each.spoken),
            truths={
                turn: replace(truth, labels=tuple(prefix + label for label in truth.labels))
                for turn, truth in each.truths.items()
                if truth.source in SPOKEN_FOR
            },
        )
        for each in conversations
    ]


def columns() -> Columns:
    """Return what a head sees: the turn, and what the agent said before it. Circumstances would tell who sold well."""
    by_name = {name: (name, step, column) for name, step, column in word_columns(act_task("acts", list(Act)))}
    texts = [by_name[name] for name in ("current_words", "current_pieces", "previous_words")]
    return [*texts, ("numbers", StandardScaler(), ["current_words", "current_questions"])]


def train(rows: TrainingSet, word_others: int) -> Pipeline:
    """Return a model of the training and the calibration part; the gate block stays unseen."""
    learnt = rows.part(TRAIN, CALIBRATION)
    best = search(learnt, {"linear": columns()}, word_others)[0].recipe
    return fit_by_folds(learnt, best, columns())


def learnt_languages(rows: TrainingSet, languages: Sequence[str]) -> dict[Act, list[str]]:
    """Return per act the languages in which it has examples enough; ``languages``: of each row, "" where unknown."""
    is_learnt = np.asarray(rows.rows["part"] != GATE)
    spoken = np.asarray(languages, dtype=str)
    found: dict[Act, list[str]] = {}
    for place, act in enumerate(rows.task.labels):
        holds = rows.truth[:, place]
        enough = [
            language
            for language in sorted(set(languages) - {""})
            if min(
                np.count_nonzero(is_learnt & (spoken == language) & holds),
                np.count_nonzero(is_learnt & (spoken == language) & ~holds),
            )
            >= MIN_EXAMPLES_OF_A_LANGUAGE
        ]
        if enough:
            found[Act(act)] = enough
    return found


@dataclass(frozen=True, slots=True)
class Detection:
    """How an act was found among ``positives`` turns that hold it, with 95 % by conversation."""

    positives: int
    precision: Estimate
    recall: Estimate
    f1: Estimate


def detection(rows: TrainingSet, answers: Flags) -> Mapping[Act, Detection]:
    """Return per act how well ``answers`` (rows x labels) found it; acts with fewer than five turns are left out."""
    block = rows.block()
    return {
        Act(rows.task.labels[place]): Detection(
            int(block.truth[:, place].sum()),
            **{name: score.estimate() for name, score in detections(seen_by(block, place), answers[:, place]).items()},
        )
        for place in range(len(rows.task.labels))
        if block.truth[:, place].sum() >= MIN_SCORED_POSITIVES
    }
