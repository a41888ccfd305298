"""What agents obey: which versions run, and which of them answers."""

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
    """A version that runs.

    ``state``: ``champion`` answers, ``canary`` and ``holdback`` their share of the conversations, ``shadow`` none.
    ``salt``: what a share is drawn by, beside the conversation or its customer.
    """

    task: str
    mode: str
    version: str
    state: str
    traffic_share: float
    digest: str
    salt: str = ""


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
    """The policy in force in this process. ``position`` (0, 0): none was ever read, the caller answers alone.

    ``entries``: every version that the policy names; ``models``: those of them that run here.
    """

    position: tuple[int, int] = (0, 0)
    models: tuple[Model, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    switches: tuple[Switch, ...] = ()
    entries: tuple[ModelEntry, ...] = ()

    def models_of(self, task: str, mode: str) -> list[Model]:
        return [model for model in self.models if (model.entry.task, model.entry.mode) == (task, mode)]

    def entries_of(self, task: str, mode: str) -> list[ModelEntry]:
        return [entry for entry in self.entries if (entry.task, entry.mode) == (task, mode)]


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
