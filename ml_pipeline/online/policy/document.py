"""What agents obey: which versions run, and which of them answers."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

import msgspec

from ml_pipeline.errors import PolicyError
from ml_pipeline.online.policy.assignment import Experiment
from ml_pipeline.online.predicting.predictor import Predictor

SCHEMA = 1
"""Raised only for a policy that an agent must not obey in part. What is merely new is added under the same number, and
an older agent goes on without it: one that knows no experiments gives no arms, which is the control."""

MOST_BYTES = 4 << 20
"""100 experiments, the most there are, as large as they may be, take less than half of it."""


class ModelEntry(msgspec.Struct, frozen=True):
    """A version that runs. ``state``: ``champion`` answers, ``canary`` its share of conversations, ``shadow`` none."""

    task: str
    mode: str
    version: str
    state: str
    traffic_share: float
    digest: str


class Switch(msgspec.Struct, frozen=True):
    """A kill switch that is on, for display: its effect is composed into the policy. ``subject`` "": all of it."""

    name: str
    subject: str
    since: datetime


class PolicyDocument(msgspec.Struct, frozen=True):
    """The policy as ``publish_policy()`` composed it. Fields this release does not know are left alone."""

    schema: int
    epoch: int
    n: int
    models: tuple[ModelEntry, ...]
    experiments: tuple[Experiment, ...] = ()
    switches: tuple[Switch, ...] = ()

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
    experiments: tuple[Experiment, ...] = ()
    switches: tuple[Switch, ...] = ()

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


def read_document(given: bytes) -> PolicyDocument:
    """Return the policy in ``given``, JSON.

    Raises:
        PolicyError: if it is too large, of another schema or broken.
    """
    if len(given) > MOST_BYTES:
        raise too_large(len(given))
    try:
        schema = msgspec.json.decode(given, type=_OfSchema).schema
        if schema != SCHEMA:
            raise PolicyError(
                "policy_of_other_schema", f"policy has schema {schema}, this agent reads {SCHEMA}; upgrade the agent"
            )
        return msgspec.json.decode(given, type=PolicyDocument)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise PolicyError("policy_unreadable", f"policy cannot be read: {error}; the last good one stays") from error


def too_large(size: int) -> PolicyError:
    return PolicyError("policy_too_large", f"policy has {size:,} bytes, at most {MOST_BYTES:,} are read; publish less")


class _OfSchema(msgspec.Struct):
    schema: int
