"""What is watched: each subject has one value per conversation and window, because rows of one conversation are kin."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ml_pipeline.drift.detectors import CATEGORY, LOSS, NUMBER, SHARE, TEXT
from ml_pipeline.drift.domain_classifier import Text
from ml_pipeline.online.predicting.features import CATEGORY_COLUMNS, NUMBER_COLUMNS, TEXT_COLUMNS, feature_row

DATA = "data"
PREDICTION = "prediction"
LABEL = "label"
PERFORMANCE = "performance"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """``values`` names the detector; a feature has no task, a label no version, a performance no label."""

    kind: str
    values: str
    feature: str = ""
    task: str = ""
    mode: str = ""
    version: str = ""
    label: str = ""

    @property
    def name(self) -> str:
        """The subject within its kind.

        >>> Subject(PREDICTION, NUMBER, task="objection", mode="detect", version="caller", label="price").name
        'objection.detect price by caller'
        >>> Subject(LABEL, SHARE, task="objection", label="price").name, Subject(DATA, NUMBER, feature="turn").name
        ('objection price', 'turn')
        """
        task = f"{self.task}.{self.mode}" if self.mode else self.task
        words = [self.feature, task, self.label, f"by {self.version}" if self.version else ""]
        return " ".join(word for word in words if word)


Observations = dict[Subject, Sequence[Any]]


def feature_observations(turns: Iterable[Row]) -> Observations:
    """Return the features of one predicted turn per conversation.

    ``turns``: the turns up to the predicted one, sorted by conversation and turn, each with its ``context``.
    """
    values: dict[Subject, list[Any]] = defaultdict(list)
    for conversation_id, rows in groupby(turns, key=lambda row: str(row["conversation_id"])):
        spoken = list(rows)
        context = {name: str(value) for name, value in spoken[-1]["context"].items() if value is not None}
        features = feature_row([(row["role"], row["content"]) for row in spoken], context)
        for column in NUMBER_COLUMNS:
            values[Subject(DATA, NUMBER, column)].append(features[column])
        for column in CATEGORY_COLUMNS:
            values[Subject(DATA, CATEGORY, column)].append(features[column])
        for column in TEXT_COLUMNS:
            values[Subject(DATA, TEXT, column)].append(Text(conversation_id, str(features[column])))
    return dict(values)


def prediction_observations(rows: Iterable[Row]) -> Observations:
    """``rows``: per task, mode, version and label the conversations' mean ``probabilities``."""
    return {
        Subject(PREDICTION, NUMBER, "", row["task"], row["mode"], row["version"], row["label"]): row["probabilities"]
        for row in rows
    }


def label_observations(rows: Iterable[Row]) -> Observations:
    """``rows``: per task and label, for each labelled conversation, whether the label ``occurred``."""
    return {Subject(LABEL, SHARE, task=row["task"], label=row["label"]): row["occurred"] for row in rows}


def performance_observations(rows: Iterable[Row]) -> Observations:
    """``rows``: per task, mode and version the conversations' mean ``losses``."""
    return {Subject(PERFORMANCE, LOSS, "", row["task"], row["mode"], row["version"]): row["losses"] for row in rows}
