"""The answers to one turn, and why the one that was served was."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ml_pipeline.vocabulary.tasks import CALLER

SWITCHED_OFF = "predictor"
FLAGS = {
    "prediction_over_budget": "did not answer within predict_budget_ms",
    "prediction_failed": "failed",
}
TROUBLES = {
    "bundle_refused": "the agent refused its bundle: altered, foreign, or its samples were answered otherwise",
    "bundle_missing": "the agent did not have its bundle yet",
    "bundle_altered": "the agent's own copy of the bundle was altered",
}


@dataclass(frozen=True, slots=True)
class Running:
    """A version that the policy named, with the state and the share it had then."""

    version: str
    state: str
    share: float
    digest: str


@dataclass(frozen=True, slots=True)
class Policy:
    """What agents were told. ``off``: kill switches that were on for the task, by name."""

    epoch: int
    n: int
    published_at: datetime
    running: tuple[Running, ...]
    off: tuple[str, ...] = ()

    def named(self, version: str) -> Running | None:
        return next((one for one in self.running if one.version == version), None)

    @property
    def champion(self) -> str:
        return next((one.version for one in self.running if one.state == "champion"), CALLER)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one version said. ``flag``: why it stood in for the version that should have answered.

    ``thresholds``: of its gate, per label; empty where no gate judged it. ``propensity``: the chance it had of being
    served; None: not told.
    """

    version: str
    event_id: str
    probabilities: Mapping[str, float]
    labels: Sequence[str]
    thresholds: Mapping[str, float]
    is_served: bool
    propensity: float | None
    latency_ms: float | None
    feature_revision: int | None
    feature_digest: str | None
    context: Mapping[str, Any]
    flag: str | None = None


@dataclass(frozen=True, slots=True)
class Drawn:
    """The version that chance gave a conversation, and the chance of that."""

    version: str
    propensity: float
    unit: str


@dataclass(frozen=True, slots=True)
class Truth:
    labels: Sequence[str]
    source: str
    learnt_at: datetime


@dataclass(frozen=True, slots=True)
class Answered:
    """A task at a turn. ``policy`` is None where the agent had read none, or the prediction does not tell it.

    ``trouble``: why agents could not run a version that the policy named, lately before.
    """

    task: str
    mode: str
    at: datetime
    answers: tuple[Answer, ...]
    policy: Policy | None = None
    drawn: Drawn | None = None
    truth: Truth | None = None
    trouble: str | None = None
    why: str = field(default="")

    @property
    def served(self) -> Answer | None:
        return next((answer for answer in self.answers if answer.is_served), None)


def why(answered: Answered) -> str:
    """Return in words why this version was served, or why none was."""
    served, policy = answered.served, answered.policy
    meant = answered.drawn.version if answered.drawn else policy.champion if policy else CALLER
    if served is None:
        gave = any(answer.version == meant for answer in answered.answers)
        said = "and the agent asked for no answer" if gave else "and gave no answer"
        return f"nothing was served: {_meant(meant)} should have answered, {said}"
    if served.flag:
        return f"{meant} should have answered and {FLAGS.get(served.flag, served.flag)}; {served.version} stood in"
    if policy is None:
        return "the agent had read no policy, or the prediction does not tell it"
    if SWITCHED_OFF in policy.off:
        return "a kill switch had the predictor off: the agent's own answer stands"
    if served.version != meant and policy.named(meant):
        trouble = TROUBLES.get(answered.trouble or "", "the agent did not run it")
        return f"{meant} should have answered; {trouble}; {served.version} stood in"
    return _by_policy(served, policy, answered.drawn)


def _by_policy(served: Answer, policy: Policy, drawn: Drawn | None) -> str:
    entry = policy.named(served.version)
    if served.version == CALLER:
        beside = ", ".join(f"{one.version} in {one.state}" for one in policy.running)
        return f"no version of ours was champion{f' ({beside})' if beside else ''}: the agent's own answer stands"
    if entry is None:
        return "the conversation had been given to it before, and the policy names it no more"
    chance = f", drawn with chance {drawn.propensity:.2f} by the {drawn.unit}" if drawn else ""
    share = f" of {entry.share:.0%}" if entry.state in ("canary", "holdback") else ""
    return f"it was the {entry.state}{share}{chance}"


def _meant(version: str) -> str:
    return "the agent itself" if version == CALLER else version
