"""What agents obey: which versions run, and which of them answers."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ml_pipeline.errors import PolicyError
from ml_pipeline.online.predictor import Predictor

SCHEMA = 1


class ModelEntry(msgspec.Struct, frozen=True):
    """A version that runs. ``state``: ``champion`` answers, ``canary`` its share of conversations, ``shadow`` none."""

    task: str
    mode: str
    version: str
    state: str
    traffic_share: float
    digest: str


class PolicyDocument(msgspec.Struct, frozen=True):
    """The policy as ``publish_policy()`` composed it. Fields this release does not know are left alone."""

    schema: int
    epoch: int
    n: int
    models: tuple[ModelEntry, ...]

    @property
    def position(self) -> tuple[int, int]:
        return self.epoch, self.n


@dataclass(frozen=True, slots=True)
class Model:
    """A version that runs, and what runs it."""

    entry: ModelEntry
    predictor: Predictor


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy in force in this process. ``position`` (0, 0): none was ever read, the caller answers alone."""

    position: tuple[int, int] = (0, 0)
    models: tuple[Model, ...] = ()

    def models_of(self, task: str, mode: str) -> list[Model]:
        return [model for model in self.models if (model.entry.task, model.entry.mode) == (task, mode)]

    def who_answers(self, task: str, mode: str, conversation: str) -> Model | None:
        """Return the model that answers: a canary within its share, else the champion; None where the caller does."""
        models = self.models_of(task, mode)
        for model in models:
            if model.entry.state == "canary" and share_of(conversation, task) < model.entry.traffic_share:
                return model
        return next((model for model in models if model.entry.state == "champion"), None)


def share_of(conversation: str, task: str) -> float:
    """Return where a conversation falls in [0, 1): the same in every process, for each task apart."""
    digest = hashlib.sha256(f"{task}\x1f{conversation}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def read_document(given: Mapping[str, Any] | bytes) -> PolicyDocument:
    """Return the policy in ``given``.

    Raises:
        PolicyError: if it is of another schema or broken.
    """
    try:
        if isinstance(given, bytes):
            document = msgspec.json.decode(given, type=PolicyDocument)
        else:
            document = msgspec.convert(given, PolicyDocument)
    except msgspec.MsgspecError as error:
        raise PolicyError(f"policy cannot be read: {error}; the last good one stays") from error
    if document.schema != SCHEMA:
        raise PolicyError(f"policy has schema {document.schema}, this agent reads {SCHEMA}; upgrade the agent")
    return document
