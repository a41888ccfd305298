"""Training sets: one row per customer turn whose truth is known, as its features were when it was spoken."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml_pipeline.errors import TrainingError
from ml_pipeline.models.calibration import MIN_POSITIVES
from ml_pipeline.models.conversations import LabelledConversation
from ml_pipeline.models.rows import FEATURE_COLUMNS, Table, featured, records
from ml_pipeline.models.scores import Block, Flags, Numbers
from ml_pipeline.models.specification import Specification
from ml_pipeline.models.split import CALIBRATION, TRAIN, split_in_time
from ml_pipeline.vocabulary.tasks import LabelSource, Task

if TYPE_CHECKING:
    import pandas as pd

MIN_CONVERSATIONS = 40
"""Ten judge then, and twenty-four train: below that every figure is luck."""
FROZEN_COLUMNS = (
    "conversation_id",
    "turn",
    "customer_group",
    "part",
    "started_at",
    "learnt_at",
    "label_source",
    "weight",
    "feature_digest",
    "is_seen_before",
    "propensity",
    "arm_propensity",
    "arms",
)
"""What names a row, beside one 0/1 column per label. Ids and numbers: no word a customer said."""
NAMING_COLUMNS = tuple(column for column in FROZEN_COLUMNS if column not in ("turn", "part"))


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """``rows``: the frozen columns and the features; ``truth``: rows x labels.

    ``left_out``: customer turns that did not become rows, by reason. ``unknown_labels``: rows that carry a label the
    task does not have; they count as rows without it. ``specification``: None where the rows were never in the log.
    """

    task: Task
    rows: "pd.DataFrame"
    truth: Flags
    left_out: Mapping[str, int] = field(default_factory=dict)
    unknown_labels: Mapping[str, int] = field(default_factory=dict)
    specification: Specification | None = None

    @property
    def digest(self) -> str:
        """What names the rows, see ``frozen_digest``."""
        return frozen_digest(self.frozen())

    def frozen(self) -> "pd.DataFrame":
        """Return the columns that name the rows, with one 0/1 column per label."""
        table = self.rows[list(FROZEN_COLUMNS)].astype({"turn": int})
        for place, label in enumerate(self.task.labels):
            table[f"label:{label}"] = self.truth[:, place].astype(int)
        return table

    @property
    def keys(self) -> list[tuple[str, int]]:
        """Conversation and turn of each row."""
        return list(zip(self.rows["conversation_id"], self.rows["turn"].astype(int), strict=True))

    @property
    def conversation_ids(self) -> list[str]:
        return list(self.rows["conversation_id"].unique())

    @property
    def newest_taught_at(self) -> datetime | None:
        """When the newest conversation began that the model learns from; its age is the candidate's."""
        taught = self.rows["started_at"][self.rows["part"].isin((TRAIN, CALIBRATION))]
        return taught.max() if len(taught) else None

    @property
    def weights(self) -> Numbers:
        return np.asarray(self.rows["weight"], dtype=np.float64)

    def part(self, *names: str) -> "TrainingSet":
        return self.take(np.flatnonzero(self.rows["part"].isin(names)))

    def take(self, places: NDArray[np.int64]) -> "TrainingSet":
        """Return some of the rows; what was left out is told of the whole alone."""
        rows = self.rows.iloc[places].reset_index(drop=True)
        return TrainingSet(self.task, rows, self.truth[places], specification=self.specification)

    def with_parts(self, part_of: Mapping[str, str]) -> "TrainingSet":
        """Return the same rows under another split of the conversations."""
        return replace(self, rows=self.rows.assign(part=self.rows["conversation_id"].map(part_of)))

    def block(self) -> Block:
        """Return what answers on these rows are judged by, clustered by customer or conversation."""
        clusters = np.unique(self.rows["customer_group"].to_numpy(dtype=str), return_inverse=True)[1]
        return Block(self.task.labels, self.truth, self.weights, clusters, self._cases())

    def _cases(self) -> Numbers | None:
        if self.task.scope == "turn":
            return None
        conversations = np.unique(self.rows["conversation_id"].to_numpy(dtype=str), return_inverse=True)[1]
        return np.asarray(1 / np.bincount(conversations)[conversations])

    def cases(self) -> Flags:
        """Return what counts as one example each: rows, or conversations where the truth is the conversation's."""
        if self.task.scope == "turn":
            return self.truth
        is_repeat = np.asarray(self.rows["conversation_id"].duplicated(), dtype=bool)
        return np.asarray(self.truth[~is_repeat])


def frozen_digest(table: "pd.DataFrame") -> str:
    """Return the SHA-256 of the sorted rows of a frozen table."""
    columns = [_in_words(table[name]) for name in table.columns]
    lines = sorted(map("|".join, zip(*columns, strict=True)))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _in_words(column: "pd.Series[Any]") -> list[str]:
    # Column by column and times as numbers: row by row, half a million rows took 6 s.
    if column.dtype.kind == "M":
        column = column.dt.as_unit("us").astype("int64")
    return list(map(str, column.tolist()))


def assemble(
    task: Task, conversations: Iterable[LabelledConversation], specification: Specification | None = None
) -> TrainingSet:
    """Return the rows of ``conversations``, split at the cut-off of ``specification``; in time, where there is none."""
    left_out: Counter[str] = Counter()
    table, labels = Table([*NAMING_COLUMNS, *FEATURE_COLUMNS]), []
    terms = specification.terms if specification else None
    for conversation in conversations:
        for names, row, held in records(task, conversation, terms, left_out):
            table.add(names | row)
            labels.append(held)
    rows = table.whole()
    truth = np.array([[label in held for label in task.labels] for held in labels], dtype=bool)
    unknown = Counter(label for held in labels for label in held if label not in task.labels)
    unsplit = TrainingSet(task, rows, truth.reshape(len(rows), len(task.labels)), left_out, unknown, specification)
    first = rows.drop_duplicates("conversation_id")
    starts = list(first["started_at"])
    parts = specification.split(starts) if specification else split_in_time([at.timestamp() for at in starts])
    return without_derived_judges(unsplit.with_parts(dict(zip(first["conversation_id"], parts, strict=True))))


def without_derived_judges(rows: TrainingSet) -> TrainingSet:
    """Leave derived labels to training: nothing is calibrated on them or judged by them."""
    is_derived = np.asarray(rows.rows["label_source"] == LabelSource.DERIVED, dtype=bool)
    judges = is_derived & np.asarray(rows.rows["part"] != TRAIN, dtype=bool)
    left_out = Counter(rows.left_out) + Counter({"its label is derived and may not judge": int(judges.sum())})
    return replace(rows.take(np.flatnonzero(~judges)), left_out=left_out, unknown_labels=rows.unknown_labels)


def thaw(
    task: Task,
    frozen: "pd.DataFrame",
    conversations: Iterable[LabelledConversation],
    specification: Specification | None = None,
) -> TrainingSet:
    """Return the frozen rows with their features, built again from facts. What was trusted when frozen stays so.

    Raises:
        TrainingError: if the facts no longer give the features that were frozen.
    """
    import pandas as pd

    keys = list(zip(frozen["conversation_id"], frozen["turn"], strict=True))
    places = {key: place for place, key in enumerate(keys)}
    frozen_digests = list(frozen["feature_digest"])
    table, found = Table(FEATURE_COLUMNS), []
    for conversation in conversations:
        for spoken, row, digest, _ in featured(conversation):
            place = places.get((conversation.conversation_id, spoken.turn))
            if place is not None and frozen_digests[place] == digest:
                table.add(row)
                found.append(place)
    if len(found) < len(keys):
        first = keys[min(set(range(len(keys))).difference(found))]
        raise TrainingError(
            f"{len(keys) - len(found)} of {len(keys)} frozen rows of {task.name} no longer read the same (first:"
            f" conversation {first[0]}, turn {first[1]}); facts changed or were erased: run the retraining again"
        )
    features = table.whole().take(np.argsort(found)).set_axis(frozen.index)
    names = [column for column in FROZEN_COLUMNS if column != "turn"]
    rows = pd.concat([frozen[names], features], axis=1)
    truth = frozen[[f"label:{label}" for label in task.labels]].to_numpy().astype(bool)
    return TrainingSet(task, rows, truth, specification=specification)


def shortage(rows: TrainingSet) -> str:
    """Return why nothing can be trained on ``rows``, in words; "" when something can.

    How many examples the gate needs is the gate's own matter.
    """
    conversations = len(rows.conversation_ids)
    if not conversations:
        return f"no customer turn of a trusted hour has a known truth for {rows.task.name}{_told(rows.left_out)}"
    if conversations < MIN_CONVERSATIONS:
        return f"{conversations} conversations with a known truth, {MIN_CONVERSATIONS} are needed{_told(rows.left_out)}"
    cases = rows.part(TRAIN).cases()
    if not len(cases) and rows.specification:
        days, cut_off = rows.specification.terms.window.days, rows.specification.cut_off
        return (
            f"{conversations} conversations with a known truth began from {cut_off:%Y-%m-%d %H:%M} on and judge; none"
            f" before it had been closed then, {days:g} days after it began or ended{_told(rows.left_out)}"
        )
    if (np.minimum(cases.sum(axis=0), (~cases).sum(axis=0)) < MIN_POSITIVES).all():
        counts = ", ".join(
            f"{label} {count} of {len(cases)}" for label, count in zip(rows.task.labels, cases.sum(axis=0), strict=True)
        )
        return f"no label has {MIN_POSITIVES} examples of either class in the training part: {counts}"
    return ""


def _told(left_out: Mapping[str, int]) -> str:
    return "".join(f"; {count:,} turns left out: {reason}" for reason, count in left_out.items())
