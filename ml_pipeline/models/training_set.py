"""Training sets: one row per customer turn whose truth is known, as its features were when it was spoken."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml_pipeline.errors import TrainingError
from ml_pipeline.models.calibration import MIN_POSITIVES
from ml_pipeline.models.conversations import LabelledConversation, Spoken
from ml_pipeline.models.scores import Block, Flags, Numbers
from ml_pipeline.models.split import TRAIN, split_in_time
from ml_pipeline.online.predicting.features import (
    CATEGORY_COLUMNS,
    NUMBER_COLUMNS,
    TEXT_COLUMNS,
    FeatureRow,
    Heard,
    feature_digest,
)
from ml_pipeline.vocabulary.tasks import LabelSource, Task

if TYPE_CHECKING:
    import pandas as pd

CUSTOMER_ROLE = "user"
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
)
"""What names a row, beside one 0/1 column per label. Ids and numbers: no word a customer said."""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """``rows``: the frozen columns and the features; ``truth``: rows x labels.

    ``left_out``: customer turns that did not become rows, by reason. ``unknown_labels``: rows that carry a label the
    task does not have; they count as rows without it.
    """

    task: Task
    rows: "pd.DataFrame"
    truth: Flags
    left_out: Mapping[str, int] = field(default_factory=dict)
    unknown_labels: Mapping[str, int] = field(default_factory=dict)

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
    def weights(self) -> Numbers:
        return np.asarray(self.rows["weight"], dtype=np.float64)

    def part(self, *names: str) -> "TrainingSet":
        return self.take(np.flatnonzero(self.rows["part"].isin(names)))

    def take(self, places: NDArray[np.int64]) -> "TrainingSet":
        return TrainingSet(self.task, self.rows.iloc[places].reset_index(drop=True), self.truth[places])

    def with_parts(self, part_of: Mapping[str, str]) -> "TrainingSet":
        """Return the same rows under another split of the conversations."""
        return replace(self, rows=self.rows.assign(part=self.rows["conversation_id"].map(part_of)))

    def block(self) -> Block:
        """Return what answers on these rows are judged by, clustered by customer or conversation."""
        clusters = np.unique(self.rows["customer_group"].to_numpy(dtype=str), return_inverse=True)[1]
        return Block(self.task.labels, self.truth, self.weights, clusters)

    def cases(self) -> Flags:
        """Return what counts as one example each: rows, or conversations where the truth is the conversation's."""
        if self.task.scope == "turn":
            return self.truth
        is_repeat = np.asarray(self.rows["conversation_id"].duplicated(), dtype=bool)
        return np.asarray(self.truth[~is_repeat])


def frozen_digest(table: "pd.DataFrame") -> str:
    """Return the SHA-256 of the sorted rows of a frozen table."""
    lines = sorted("|".join(map(str, values)) for values in table.itertuples(index=False))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def assemble(task: Task, conversations: Iterable[LabelledConversation]) -> TrainingSet:
    """Return the rows of ``conversations``, split in time."""
    import pandas as pd

    left_out: Counter[str] = Counter()
    records = [record for conversation in conversations for record in _records(task, conversation, left_out)]
    rows = pd.DataFrame([names | row for names, row, _ in records], columns=_columns())
    truth = np.array([[label in labels for label in task.labels] for _, _, labels in records], dtype=bool)
    unknown = Counter(label for _, _, labels in records for label in labels if label not in task.labels)
    unsplit = TrainingSet(task, rows, truth.reshape(len(rows), len(task.labels)), left_out, unknown)
    first = rows.drop_duplicates("conversation_id")
    parts = split_in_time([at.timestamp() for at in first["started_at"]])
    return _without_derived_judges(unsplit.with_parts(dict(zip(first["conversation_id"], parts, strict=True))))


def _without_derived_judges(rows: TrainingSet) -> TrainingSet:
    """Leave derived labels to training: nothing is calibrated on them or judged by them."""
    is_derived = np.asarray(rows.rows["label_source"] == LabelSource.DERIVED, dtype=bool)
    judges = is_derived & np.asarray(rows.rows["part"] != TRAIN, dtype=bool)
    left_out = Counter(rows.left_out) + Counter({"its label is derived and may not judge": int(judges.sum())})
    return replace(rows.take(np.flatnonzero(~judges)), left_out=left_out, unknown_labels=rows.unknown_labels)


def thaw(task: Task, frozen: "pd.DataFrame", conversations: Iterable[LabelledConversation]) -> TrainingSet:
    """Return the frozen rows with their features, built again from facts. What was trusted when frozen stays so.

    Raises:
        TrainingError: if the facts no longer give the features that were frozen.
    """
    import pandas as pd

    features = {
        (conversation.conversation_id, spoken.turn): row
        for conversation in conversations
        for spoken, row, _ in _featured(conversation)
    }
    keys = list(zip(frozen["conversation_id"], frozen["turn"], strict=True))
    changed = [
        key
        for key, digest in zip(keys, frozen["feature_digest"], strict=True)
        if key not in features or feature_digest(features[key]) != digest
    ]
    if changed:
        raise TrainingError(
            f"{len(changed)} of {len(keys)} frozen rows of {task.name} no longer read the same (first: conversation"
            f" {changed[0][0]}, turn {changed[0][1]}); facts changed or were erased: run the retraining again"
        )
    names = [column for column in FROZEN_COLUMNS if column != "turn"]
    rows = pd.concat([frozen[names], pd.DataFrame([features[key] for key in keys], index=frozen.index)], axis=1)
    return TrainingSet(task, rows, frozen[[f"label:{label}" for label in task.labels]].to_numpy().astype(bool))


def _columns() -> list[str]:
    return list(dict.fromkeys([*FROZEN_COLUMNS, *TEXT_COLUMNS, *NUMBER_COLUMNS, *CATEGORY_COLUMNS]))


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
    if (np.minimum(cases.sum(axis=0), (~cases).sum(axis=0)) < MIN_POSITIVES).all():
        counts = ", ".join(
            f"{label} {count} of {len(cases)}" for label, count in zip(rows.task.labels, cases.sum(axis=0), strict=True)
        )
        return f"no label has {MIN_POSITIVES} examples of either class in the training part: {counts}"
    return ""


def _told(left_out: Mapping[str, int]) -> str:
    return "".join(f"; {count:,} turns left out: {reason}" for reason, count in left_out.items())


Record = tuple[dict[str, Any], FeatureRow, tuple[str, ...]]


def _records(task: Task, conversation: LabelledConversation, left_out: Counter[str]) -> list[Record]:
    known = []
    for spoken, row, flaw in _featured(conversation):
        truth = conversation.truths.get(spoken.turn if task.scope == "turn" else None)
        reason = flaw if conversation.is_truth_trusted else "the hour its truth came from is not trusted"
        if truth and reason:
            left_out[reason] += 1
        elif truth:
            known.append((row, truth))
    return [
        (
            {
                "conversation_id": conversation.conversation_id,
                "customer_group": conversation.customer_group,
                "started_at": conversation.started_at,
                "learnt_at": truth.learnt_at,
                "label_source": truth.source,
                # One truth for a whole conversation counts once, however long it talked.
                "weight": 1.0 if task.scope == "turn" else 1 / len(known),
                "feature_digest": feature_digest(row),
            },
            row,
            truth.labels,
        )
        for row, truth in known
    ]


def _featured(conversation: LabelledConversation) -> Iterator[tuple[Spoken, FeatureRow, str]]:
    """Yield each customer turn with its features and why it may not be learnt from, or ""."""
    heard = Heard()
    for place, spoken in enumerate(conversation.spoken):
        heard.add(spoken.role, spoken.content)
        if spoken.role == CUSTOMER_ROLE:
            row = heard.row(spoken.context)
            yield spoken, row, _flaw(place, spoken, row)


def _flaw(place: int, spoken: Spoken, row: FeatureRow) -> str:
    if spoken.turn != place:
        return "an earlier turn is missing"
    if not spoken.is_trusted:
        return "its hour is not trusted"
    if spoken.stored_digest not in (None, feature_digest(row)):
        return "its features differ from those stored with its prediction"
    return ""
