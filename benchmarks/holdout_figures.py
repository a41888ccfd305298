"""Holdout figures of the shipped candidate on public dialogue sets, twice each: random and time split.

Every answer is about a conversation the model never saw. Random: five folds of whole dialogues, each answered by a
model of the other four. Time: the oldest 60 % train, the next 15 % calibrate, the newest 25 % are answered. Intervals
are 95 %, by resampling dialogues. CaSiNo carries no dates: its time split follows its dialogue numbers. Context is what
the online module would see: language, platform, age band.

Run by ``make bench-holdout``; needs ../shared/data or HOLDOUT_DATA.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.labelled import labelled_conversations
from ml_pipeline.models.assessment import prior, rule
from ml_pipeline.models.candidates.columns import columns_of
from ml_pipeline.models.candidates.fit import answers, fit
from ml_pipeline.models.candidates.search import search
from ml_pipeline.models.evaluation import RESAMPLES, SEED
from ml_pipeline.models.scores import Block, Numbers, draws, estimate, figures
from ml_pipeline.models.split import CALIBRATION, GATE, TRAIN
from ml_pipeline.models.training_set import TrainingSet, assemble
from ml_pipeline.samples.rule_agent import RuleAgent
from ml_pipeline.samples.sources import open_source
from ml_pipeline.settings import Settings
from ml_pipeline.vocabulary.dialogue import Source
from ml_pipeline.vocabulary.estimate import Estimate

DATA = Path(os.environ.get("HOLDOUT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
RESULTS = Path(".local/bench/holdout.jsonl")
FOLDS = 5
CALIBRATION_SHARE = 0.2  # of what is not held out
WORD_OTHERS = Settings().words_min_conversations


@dataclass(frozen=True)
class Answered:
    """Held-out rows with what everybody answered to them, rows x labels."""

    rows: TrainingSet
    answers: dict[str, Numbers]

    def where(self, chosen: Any) -> "Answered":
        places = np.flatnonzero(chosen)
        return Answered(self.rows.take(places), {who: told[places] for who, told in self.answers.items()})


@dataclass(frozen=True)
class Claim:
    """One figure. A row is positive with any of ``labels``; ``bounds``: what random and time split should reach."""

    name: str
    source: str
    task: str
    metric: str
    labels: tuple[str, ...]
    exchange: int | None = None
    bounds: tuple[float | None, float | None] = (None, None)


P4G, CASINO = "persuasionforgood", "casino"
CLEAR = ("disagreement", "negative_reaction")
ANY = (*CLEAR, "neutral_reaction")
CLAIMS = (
    Claim("P4G donates, after 4 exchanges", P4G, "conversion", "auc", ("sold",), 4, (0.57, 0.51)),
    Claim("P4G donates, after 8 exchanges", P4G, "conversion", "auc", ("sold",), 8, (0.66, 0.61)),
    Claim("P4G donates, after 8 exchanges", P4G, "conversion", "log_loss", ("sold",), 8),
    Claim("P4G any objection, detect", P4G, "objection", "auc", ANY, bounds=(0.867, None)),
    Claim("P4G any objection, detect", P4G, "objection", "macro_ap", ANY, bounds=(0.36, None)),
    Claim("P4G disagreement or negative reaction, detect", P4G, "objection", "auc", CLEAR),
    Claim("P4G disagreement or negative reaction, detect", P4G, "objection", "macro_ap", CLEAR),
    Claim("CaSiNo self-need, detect", CASINO, "needs", "auc", ("self-need",), bounds=(0.91, None)),
    Claim("CaSiNo other-need, detect", CASINO, "needs", "auc", ("other-need",), bounds=(0.91, None)),
)


def main() -> None:
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("w", encoding="utf-8") as file:
        for line in _lines():
            print(json.dumps(line), flush=True)
            file.write(json.dumps(line) + "\n")


def _lines() -> Iterator[dict[str, Any]]:
    for name in dict.fromkeys(claim.source for claim in CLAIMS):
        source = open_source(DATA / name)
        for task in source.tasks:
            claims = [claim for claim in CLAIMS if (claim.source, claim.task) == (name, task.name)]
            if claims:
                rows = assemble(task, labelled_conversations(source, task))
                caller = _caller(source, rows)
                splits = {"random": _random(rows, caller), "time": _answered(rows, caller)}
                for claim in claims:
                    for place, (split, answered) in enumerate(splits.items()):
                        yield _line(claim, split, claim.bounds[place], answered)


def _caller(source: Source, rows: TrainingSet) -> Callable[[TrainingSet], Numbers]:
    """Return what the replay's rule agent answers to rows."""
    agent = RuleAgent([rows.task])
    messages = {dialogue.conversation_id: dialogue.messages for dialogue in source.dialogues}

    def answers(part: TrainingSet) -> Numbers:
        told = []
        for conversation, turn in part.keys:
            said = [(message.role, message.content) for message in messages[conversation][: turn + 1]]
            told.append(list(agent.answer(said)[rows.task.name].values()))
        return np.array(told)

    return answers


def _random(rows: TrainingSet, caller: Callable[[TrainingSet], Numbers]) -> Answered:
    shuffled = np.random.default_rng(SEED).permutation(rows.conversation_ids)
    folds = np.array_split(shuffled, FOLDS)
    parts = []
    for fold in folds:
        rest = [name for name in shuffled if name not in set(fold)]
        cut = round(len(rest) * (1 - CALIBRATION_SHARE))
        part_of = dict.fromkeys(rest[:cut], TRAIN) | dict.fromkeys(rest[cut:], CALIBRATION) | dict.fromkeys(fold, GATE)
        parts.append(_answered(rows.with_parts(part_of), caller))
    return _pooled(parts)


def _pooled(parts: Sequence[Answered]) -> Answered:
    task = parts[0].rows.task
    table = pd.concat([part.rows.rows for part in parts], ignore_index=True)
    truth = np.concatenate([part.rows.truth for part in parts])
    answers = {who: np.concatenate([part.answers[who] for part in parts]) for who in parts[0].answers}
    return Answered(TrainingSet(task, table, truth), answers)


def _answered(rows: TrainingSet, caller: Callable[[TrainingSet], Numbers]) -> Answered:
    train, held = rows.part(TRAIN), rows.part(GATE)
    columns = columns_of(rows.task)
    best = search(train, columns, WORD_OTHERS)[0].recipe
    model = fit(train, rows.part(CALIBRATION), best, columns[best.kind])
    found = {
        "candidate": answers(model, held.rows),
        "prior": prior(rows).probabilities,
        "rule": rule(rows).probabilities,
        "caller": caller(held),
    }
    return Answered(held, found)


def _line(claim: Claim, split: str, bound: float | None, answered: Answered) -> dict[str, Any]:
    if claim.exchange is not None:
        exchange = answered.rows.rows.groupby("conversation_id")["turn"].rank()
        answered = answered.where(exchange == claim.exchange)
    found = {who: _figure(claim, answered.rows, told) for who, told in answered.answers.items()}
    ours = found.pop("candidate")
    return {
        "claim": f"{claim.name}, {split} split: {'ap' if claim.metric == 'macro_ap' else claim.metric}",
        "value": round(ours.value, 4),
        "unit": "1",
        "bound": bound,
        "holds": None if bound is None else bool(ours.value >= bound),
        "spread": [round(ours.low, 4), round(ours.high, 4)],
        "peers": {who: round(told.value, 4) for who, told in found.items()},
        "runs": FOLDS if split == "random" else 1,
        "rows": len(answered.rows.rows),
        "conversations": len(answered.rows.conversation_ids),
    }


def _figure(claim: Claim, rows: TrainingSet, told: Numbers) -> Estimate:
    places = [rows.task.labels.index(label) for label in claim.labels]
    block = rows.block()
    truth = np.logical_or.reduce(block.truth[:, places], axis=1, keepdims=True)
    answer = 1 - np.prod(1 - told[:, places], axis=1, keepdims=True)
    # One row a dialogue where an exchange is fixed: no row weighs more than another.
    drawn = draws(block.clusters, RESAMPLES, SEED)
    one = Block(("any",), truth, np.ones(len(truth)), block.clusters)
    return estimate(figures(one, answer, np.array([0.5]), drawn, (claim.metric,))[claim.metric])


if __name__ == "__main__":
    main()
