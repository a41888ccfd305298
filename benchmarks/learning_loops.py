"""Ways to keep a model up to date, each played over the same calls: whose answers were served, who was promoted when.

A block of calls is served and its outcomes come in; a candidate is trained on what came before a cut-off and judged on
what came after it; who passes goes through the moves of a rollout, looked at every 100 calls. Cut-off, search, fit,
gate, error budget, looks and moves are the functions of the product. Who answers a call changes nothing of its outcome.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from typing import Literal

import numpy as np

from benchmarks.learning_calls import SLICES, TASK, Calls, calls_by, when
from benchmarks.learning_figures import losses
from benchmarks.learning_versions import Version, Versions
from ml_pipeline.models.candidates.recipe import Kind
from ml_pipeline.models.gate import Answers, GateRules, Stakes, judge
from ml_pipeline.models.gate.budget import allow
from ml_pipeline.models.gate.places import Slices
from ml_pipeline.models.rollouts.evidence import Differences, Evidence, Phase, Pulse, Scored, Shifts, Started
from ml_pipeline.models.rollouts.standing import Held, Standing, State
from ml_pipeline.models.rollouts.terms import terms_of
from ml_pipeline.models.rollouts.transitions import Move, next_moves
from ml_pipeline.models.rollouts.verdict import Verdict
from ml_pipeline.models.rollouts.verdict import judge as look
from ml_pipeline.models.scores import Block, Flags, Numbers
from ml_pipeline.models.specification import Closed, Window, choose_cut_off
from ml_pipeline.models.specification import Terms as SetTerms
from ml_pipeline.settings import Settings
from ml_pipeline.vocabulary.verdicts import GateVerdict

FIRST = 5_000
"""Calls that teach the first model, the same for every loop."""
LOOK = 100
"""Calls between two looks at a rollout."""
SEED = 6
ENDED = {State.RETIRED, State.REJECTED, State.ROLLED_BACK}


@dataclass(frozen=True)
class Gate:
    """The calls a candidate is judged on, what both versions answer to them, and what earlier gates spent."""

    block: Block
    slices: Slices
    ours: Numbers
    theirs: Numbers
    spent: Sequence[float]


Rule = Callable[[Gate], tuple[bool, float]]
"""Whether the candidate passes, and what error it cost to tell."""


@dataclass(frozen=True)
class Loop:
    """``rule``: "frozen" trains nothing, "always" serves all that is trained, each on everything known by then."""

    rule: Rule | Literal["frozen", "always"]
    settings: Settings


@dataclass(frozen=True)
class Promotion:
    """``at``: after so many calls; ``replaced``: who served before."""

    at: int
    version: Version
    replaced: Version


@dataclass
class Course:
    """What a loop came to. ``served``: per call, nan for those of ``first``; ``taken_back``: version name to call."""

    first: Version
    served: Numbers
    promotions: list[Promotion] = field(default_factory=list)
    taken_back: dict[str, int] = field(default_factory=dict)
    gates: int = 0


def larger(metric: Callable[[Flags, Numbers], float]) -> Rule:
    """Return the rule that promotes whenever the metric is larger."""

    def rule(gate: Gate) -> tuple[bool, float]:
        truth = gate.block.truth[:, 0]
        return metric(truth, gate.ours) > metric(truth, gate.theirs), 0.0

    return rule


def gated(settings: Settings) -> Rule:
    """Return the product's gate: its primary metric, guards, slices and error budget."""

    def rule(gate: Gate) -> tuple[bool, float]:
        allowance = allow(settings.gate_error_budget, settings.gate_budget_gates, gate.spent)
        stakes = Stakes(TASK.hit_value, TASK.act_cost)
        found = judge(
            gate.block,
            Answers("candidate", gate.ours[:, None]),
            opponents=[Answers("champion", gate.theirs[:, None])],
            rules=GateRules(
                TASK.primary_metric, allowance.alpha, settings.gate_min_positives, TASK.min_gain, stakes=stakes
            ),
            slices=gate.slices,
        )
        return found.verdict is GateVerdict.PROMOTE, found.alpha

    return rule


def play(versions: Versions, kind: Kind | None, loop: Loop, ends: Sequence[int]) -> Course:
    """Return what ``loop`` comes to on blocks that end at ``ends``, the first of them the calls of the first model.

    ``kind``: what is trained; None: what the search finds better each time.
    """
    floor = _Floor(versions, kind, loop)
    for begin, end in pairwise(ends):
        if begin > FIRST:
            floor.retrain(begin)
        floor.serve(begin, end)
    return floor.course


class _Floor:
    """How a loop stands: which versions hold what, what they answered so far."""

    def __init__(self, versions: Versions, kind: Kind | None, loop: Loop) -> None:
        first, calls = versions.searched(FIRST, kind), versions.calls
        self._versions, self._kind, self._loop = versions, kind, loop
        self._terms = terms_of(loop.settings)
        self._closed = _closed(calls)
        self._draw = np.random.default_rng(SEED).random(len(calls))
        self._share, self._is_ours = np.zeros(len(calls)), np.zeros(len(calls), dtype=np.bool_)
        self._known, self._begun = {first.name: first}, dict[str, int]()
        self._spent: list[float] = []
        self._standing = Standing((Held(first.name, State.CHAMPION, 1.0, when(FIRST)),))
        self.course = Course(first, np.full(len(calls), np.nan))

    @property
    def _champion(self) -> Version:
        assert self._standing.champion
        return self._known[self._standing.champion.version]

    def retrain(self, at: int) -> None:
        """Train on what came before the cut-off, judge on what came after, let in what passes."""
        rule, settings = self._loop.rule, self._loop.settings
        if rule == "always":
            self._let_in(self._versions.searched(at, self._kind), at)
        if isinstance(rule, str):
            return
        cut_off = max(self._cut_off(at), self._champion.until)
        candidate = self._versions.searched(cut_off, self._kind)
        if cut_off == at or candidate is self._champion:
            return
        gate = self._gate(candidate, cut_off, at)
        passes, spent = rule(gate)
        if spent:
            self.course.gates += 1
            self._spent.insert(0, spent)
        if passes:
            entering = self._versions.fitted(candidate.recipe, at) if settings.refit_promoted else candidate
            self._let_in(entering, at)

    def _cut_off(self, at: int) -> int:
        settings = self._loop.settings
        at_once = Window(0.0, is_from_start=True)
        terms = SetTerms(at_once, settings.gate_share, settings.gate_min_positives, False, "no", 1.0)
        chosen = choose_cut_off(self._closed[:at], terms, is_binary=True)
        assert chosen
        return calls_by(chosen)

    def _gate(self, candidate: Version, cut_off: int, at: int) -> Gate:
        places = np.arange(cut_off, at)
        rows = self._versions.calls.rows.take(places)
        slices = {name: rows.rows[name].to_numpy(dtype=str) for name in SLICES}
        ours, theirs = (each.probabilities[places] for each in (candidate, self._champion))
        return Gate(rows.block(), slices, ours, theirs, self._spent)

    def _let_in(self, entering: Version, at: int) -> None:
        if entering.name in self._known:
            return
        self._known[entering.name] = entering
        waits = Held(entering.name, State.CANDIDATE, 0.0, when(at), judged_against=self._champion.name)
        others = tuple(held for held in self._standing.held if held.state is not State.CANDIDATE)
        self._standing = replace(self._standing, held=(*others, waits))
        self._go_on({}, at)

    def serve(self, begin: int, end: int) -> None:
        """Answer the calls, and look at what runs beside the champion as often as the watch would."""
        for start, stop in pairwise([*range(begin, end, LOOK), end]):
            self._answer(np.arange(start, stop))
            if len(self._standing.held) > 1:
                self._go_on(self._look(stop), stop)

    def _answer(self, places: Numbers) -> None:
        """Draw who is heard. ``_share``: the chance of the newer of the two; 0 where nobody was drawn."""
        standing, served = self._standing, self._champion.probabilities[places]
        newer_share = 0.0
        if standing.holdback:
            newer_share, older, newer = (
                1 - standing.holdback.share,
                self._known[standing.holdback.version],
                self._champion,
            )
        elif standing.challenger:
            newer_share, older, newer = (
                standing.challenger.share,
                self._champion,
                self._known[standing.challenger.version],
            )
        if newer_share:
            is_newer = self._draw[places] < newer_share
            served = np.where(is_newer, newer.probabilities[places], older.probabilities[places])
            self._share[places], self._is_ours[places] = newer_share, is_newer
        self.course.served[places] = served

    def _look(self, now: int) -> dict[str, Verdict]:
        """Return what the watch says of who runs beside another, by version."""
        standing, rules, found = self._standing, self._terms.rules, dict[str, Verdict]()
        champion = self._champion.name
        if standing.challenger:
            held = standing.challenger
            step = [each.share for each in rules.steps].index(held.share) if held.state is State.CANARY else 0
            phase: Phase = "canary" if held.state is State.CANARY else "shadow"
            found[held.version] = look(self._evidence((held.version, champion), now, phase, step), rules)
        if standing.holdback:
            found[champion] = look(self._evidence((champion, standing.holdback.version), now, "holdback"), rules)
        return found

    def _evidence(self, pair: tuple[str, str], now: int, phase: Phase, step: int = 0) -> Evidence:
        places = np.arange(self._begun[pair[0]], now)
        ours, theirs = (self._known[name].probabilities[places] for name in pair)
        is_positive, share, is_ours = (
            each[places] for each in (self._versions.calls.is_positive, self._share, self._is_ours)
        )
        drawn = share > 0
        propensity = np.where(drawn, np.where(is_ours, share, 1 - share), 1.0)
        return Evidence(
            phase,
            step,
            len(places),
            Started(is_ours[drawn], share[drawn], is_positive[drawn]),
            Scored(np.arange(len(places)), 1 / propensity, losses(ours, is_positive), losses(theirs, is_positive)),
            Pulse(shifts={TASK.labels[0]: _shifts(ours, theirs, drawn)}),
        )

    def _go_on(self, verdicts: Mapping[str, Verdict], at: int) -> None:
        if self._standing.holdback:
            days = (when(at) - self._standing.holdback.since) / timedelta(days=1)
            self._standing = replace(self._standing, held_back_days=days)
        if move := next(next_moves(self._standing, verdicts, self._terms), None):
            self._make(move, at)

    def _make(self, move: Move, at: int) -> None:
        before = self._champion
        changed = {each.version: Held(each.version, each.state, each.share, when(at)) for each in (*move.clears, move)}
        if move.serves:
            self.course.taken_back[move.version] = at
            changed[move.serves] = Held(move.serves, State.CHAMPION, 1.0, when(at))
        kept = (held for held in self._standing.held if held.version not in changed)
        new = (held for held in changed.values() if held.state not in ENDED)
        self._standing = replace(self._standing, held=(*kept, *new), held_back_days=0.0)
        self._begun.setdefault(move.version, at)
        if move.state is State.CHAMPION:
            self.course.promotions.append(Promotion(at, self._known[move.version], before))


def _closed(calls: Calls) -> list[Closed]:
    return [
        Closed(when(place), when(place), int(one), int(not one)) for place, one in enumerate(calls.is_positive.tolist())
    ]


def _shifts(ours: Numbers, theirs: Numbers, drawn: Flags) -> Shifts:
    return Shifts(_differences(ours[~drawn], theirs[~drawn]), _differences(ours[drawn], theirs[drawn]))


def _differences(ours: Numbers, theirs: Numbers) -> Differences:
    stretch, shift = np.arange(len(ours)) // LOOK, ours - theirs
    total, squares, their_total, their_squares = (
        np.bincount(stretch, values) for values in (shift, shift**2, theirs, theirs**2)
    )
    return Differences(np.bincount(stretch), total, squares, their_total, their_squares)
