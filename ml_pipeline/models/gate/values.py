"""What goes through the gate and what comes out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ml_pipeline.models.scores import Numbers
from ml_pipeline.vocabulary.estimate import Estimate
from ml_pipeline.vocabulary.verdicts import GateVerdict


@dataclass(frozen=True, slots=True)
class Answers:
    """What somebody answered to the gate block, rows x labels; nan where nothing.

    ``stressed``: to the same rows told worse, by the name of the stress.
    ``is_baseline``: not a model that served: nothing is asked of its calibration.
    """

    name: str
    probabilities: Numbers
    stressed: Mapping[str, Numbers] = field(default_factory=dict)
    is_baseline: bool = False


@dataclass(frozen=True, slots=True)
class Artifact:
    """The candidate as the agent would run it: half of its answers take ``answer_ms`` or less.

    ``personal``: terms of its vocabulary that name or reach a person, counted by kind. ``refusal``: why no bundle can
    be made of it, or "".
    """

    answer_ms: float
    size_bytes: int
    personal: Mapping[str, int] = field(default_factory=dict)
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Gain:
    """The improvement over an opponent, and what it is at least, at the gate's error."""

    value: float
    low: float


@dataclass(frozen=True, slots=True)
class Check:
    """Something beside the primary metric; ``bound`` is what was held against ``limit``. ``opponent``: "" for none."""

    name: str
    opponent: str
    value: float
    bound: float
    limit: float
    holds: bool


@dataclass(frozen=True, slots=True)
class Place:
    """The primary metric where it was looked at again: in a slice (``language=es``), or under a stress (``typos``).

    ``gain``: with its 95 %, for itself. ``is_worse``: surely, among all places looked at.
    """

    name: str
    opponent: str
    examples: int
    ours: float
    theirs: float
    gain: Estimate
    is_worse: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """``needed``: examples that lack. ``alpha``: the error that was spent, 0 where nothing was tested."""

    verdict: GateVerdict
    reason: str
    gains: Mapping[str, Gain] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    slices: tuple[Place, ...] = ()
    stresses: tuple[Place, ...] = ()
    needed: int = 0
    alpha: float = 0.0
