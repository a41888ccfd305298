"""Held-out rows with what models that never saw their dialogues answered; everything is chosen inside the other parts.

Random: five folds of whole dialogues; recipe, strength and thresholds come from folds inside the other four. Time: the
oldest 60 % train and choose, the next 15 % calibrate and set thresholds, the newest 25 % are answered.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ml_pipeline.models.candidates.columns import Columns, columns_of, number_columns
from ml_pipeline.models.candidates.fit import answers, fit, fit_by_folds
from ml_pipeline.models.candidates.recipe import LinearRecipe
from ml_pipeline.models.candidates.search import search
from ml_pipeline.models.scores import Flags, Numbers
from ml_pipeline.models.split import CALIBRATION, GATE, TRAIN, split_in_time
from ml_pipeline.models.training_set import TrainingSet
from ml_pipeline.settings import Settings

FOLDS = 5
SEED = 20_240_229
WORD_OTHERS = Settings().words_min_conversations

Caller = Callable[[TrainingSet], Numbers]


@dataclass(frozen=True)
class Told:
    """Probabilities, and which labels were called: rows x labels."""

    probabilities: Numbers
    called: Flags

    def take(self, places: Any) -> "Told":
        return Told(self.probabilities[places], self.called[places])


@dataclass(frozen=True)
class Answered:
    rows: TrainingSet
    answers: dict[str, Told]

    def where(self, chosen: Any) -> "Answered":
        places = np.flatnonzero(chosen)
        return Answered(self.rows.take(places), {who: told.take(places) for who, told in self.answers.items()})


def at_random(rows: TrainingSet, caller: Caller, *, reads_sentences: bool) -> Answered:
    shuffled = np.random.default_rng(SEED).permutation(rows.rows["customer_group"].unique())
    parts = []
    for fold in np.array_split(shuffled, FOLDS):
        is_held = rows.rows["customer_group"].isin(fold).to_numpy()
        learnt, held = rows.take(np.flatnonzero(~is_held)), rows.take(np.flatnonzero(is_held))
        best, columns = _best(learnt, reads_sentences=reads_sentences)
        model = fit_by_folds(learnt, best, columns)
        rule = fit_by_folds(learnt, LinearRecipe(1.0, None, 0), number_columns())
        parts.append(_answered(learnt, held, {"candidate": model, "rule": rule}, caller))
    return _pooled(parts)


def in_time(rows: TrainingSet, caller: Caller, *, reads_sentences: bool) -> Answered:
    first = rows.rows.drop_duplicates("customer_group")
    part_of = dict(
        zip(first["customer_group"], split_in_time([at.timestamp() for at in first["started_at"]]), strict=True)
    )
    split = rows.rows["customer_group"].map(part_of).to_numpy()
    train, calibration, held = (rows.take(np.flatnonzero(split == name)) for name in (TRAIN, CALIBRATION, GATE))
    best, columns = _best(train, reads_sentences=reads_sentences)
    model = fit(train, calibration, best, columns)
    rule = fit(train, calibration, LinearRecipe(1.0, None, 0), number_columns())
    return _answered(train, held, {"candidate": model, "rule": rule}, caller)


def _best(learnt: TrainingSet, *, reads_sentences: bool) -> tuple[Any, Columns]:
    columns = columns_of(learnt.task, reads_sentences=reads_sentences)
    best = search(learnt, columns, WORD_OTHERS)[0].recipe
    return best, columns[best.kind]


def _answered(learnt: TrainingSet, held: TrainingSet, models: dict[str, Any], caller: Caller) -> Answered:
    told = {who: answers(model, held.rows) for who, model in models.items()}
    found = {who: Told(given, given >= models[who][-1].thresholds_) for who, given in told.items()}
    shares = np.tile(np.average(learnt.truth, axis=0, weights=learnt.weights), (len(held.rows), 1))
    agent = caller(held)
    return Answered(held, found | {"prior": Told(shares, shares >= 0), "caller": Told(agent, agent >= 0.5)})


def _pooled(parts: Sequence[Answered]) -> Answered:
    table = pd.concat([part.rows.rows for part in parts], ignore_index=True)
    truth = np.concatenate([part.rows.truth for part in parts])
    together = {
        who: Told(
            np.concatenate([part.answers[who].probabilities for part in parts]),
            np.concatenate([part.answers[who].called for part in parts]),
        )
        for who in parts[0].answers
    }
    return Answered(TrainingSet(parts[0].rows.task, table, truth), together)
