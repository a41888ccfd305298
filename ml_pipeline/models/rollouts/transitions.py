"""From state to state: what may come next for a task, given how it stands and what was judged of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ml_pipeline.models.rollouts.rules import Rules
from ml_pipeline.models.rollouts.standing import Held, Standing, State
from ml_pipeline.models.rollouts.terms import Terms, steps_from
from ml_pipeline.models.rollouts.verdict import Verdict
from ml_pipeline.vocabulary.approvals import ApprovalKind

FIRST = "first"


@dataclass(frozen=True, slots=True)
class Move:
    """``version`` enters ``state``. ``asks``: what a person may have to grant first. ``clears``: who makes room.

    ``serves``: who is champion after ``version`` was rolled back.
    """

    version: str
    state: State
    reason: str
    share: float = 0.0
    asks: ApprovalKind | None = None
    clears: tuple["Move", ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    serves: str = ""

    @property
    def step(self) -> str:
        """Tell the questions about one version apart."""
        return f"{self.state} {self.share:.0%}" if self.state is State.CANARY else str(self.asks or self.state)


def next_moves(standing: Standing, verdicts: Mapping[str, Verdict], terms: Terms) -> Iterator[Move]:
    """Yield what may come next, the most urgent first; at most one of them is made at a time.

    ``verdicts``: of the challenger, and of the champion while another is held back against it, by version. A take-back
    comes alone, and at any time. While a kill switch is on nothing goes on, but for a first champion.
    """
    if backs := list(_take_backs(standing, verdicts)):
        yield backs[0]
        return
    if standing.is_paused and standing.champion:
        return
    yield from _end_of_holdback(standing, terms)
    yield from _of_challenger(standing, verdicts, terms)
    yield from _of_candidate(standing, terms)


def rejected(move: Move, reason: str) -> Move:
    """Return what becomes of a version that a person let go no further."""
    return Move(move.version, State.REJECTED, reason, evidence=move.evidence)


def _take_backs(standing: Standing, verdicts: Mapping[str, Verdict]) -> Iterator[Move]:
    for held, after in ((standing.champion, standing.holdback), (standing.challenger, standing.champion)):
        verdict = verdicts.get(held.version) if held and after else None
        if held and after and verdict and verdict.act == "take_back":
            yield Move(held.version, State.ROLLED_BACK, verdict.reason, evidence=verdict.numbers, serves=after.version)


def _end_of_holdback(standing: Standing, terms: Terms) -> Iterator[Move]:
    holdback = standing.holdback
    if holdback and (not terms.holds_back or standing.held_back_days >= terms.holdback_days):
        reason = f"held back for {standing.held_back_days:.1f} days, and no harm was shown"
        yield Move(holdback.version, State.RETIRED, reason)


def _of_challenger(standing: Standing, verdicts: Mapping[str, Verdict], terms: Terms) -> Iterator[Move]:
    challenger = standing.challenger
    if challenger is None:
        return
    if not terms.rules.steps:
        yield _promotion(standing, challenger.version, "rollouts are switched off", terms)
        return
    verdict = verdicts.get(challenger.version)
    if verdict is None or verdict.act not in {"advance", "promote"}:
        return
    if verdict.act == "promote":
        yield _promotion(standing, challenger.version, verdict.reason, terms, verdict.numbers)
    elif challenger.state is State.CANARY or standing.holdback is None:
        share = _next_share(challenger, terms.rules)
        yield Move(
            challenger.version, State.CANARY, verdict.reason, share, ApprovalKind.CANARY, evidence=verdict.numbers
        )


def _next_share(challenger: Held, rules: Rules) -> float:
    if challenger.state is State.SHADOW:
        return rules.steps[0].share
    steps, at = steps_from(rules.steps, challenger.share)
    return steps[at + 1].share


def _of_candidate(standing: Standing, terms: Terms) -> Iterator[Move]:
    candidate, champion, challenger = standing.candidate, standing.champion, standing.challenger
    if candidate is None:
        return
    serving = champion.version if champion else None
    if serving != candidate.judged_against:
        reason = (
            f"judged against {candidate.judged_against or 'no champion'}, and {serving or 'nobody'} serves now;"
            " the next retraining compares with it"
        )
        yield Move(candidate.version, State.REJECTED, reason)
    elif champion is None:
        yield Move(candidate.version, State.CHAMPION, FIRST, 1.0, ApprovalKind.FIRST)
    elif not terms.rules.steps:
        yield _promotion(standing, candidate.version, "it passed its gate, and there are no steps", terms)
    elif challenger is None or challenger.state is State.SHADOW:
        superseded = f"superseded by {candidate.version}, which passed its gate later"
        clears = (Move(challenger.version, State.REJECTED, superseded),) if challenger else ()
        yield Move(candidate.version, State.SHADOW, "it passed its gate", 0.0, ApprovalKind.SHADOW, clears)


def _promotion(
    standing: Standing, version: str, reason: str, terms: Terms, evidence: Mapping[str, Any] | None = None
) -> Move:
    clears: list[Move] = []
    replaced = f"{version} is champion"
    if standing.holdback:
        clears.append(Move(standing.holdback.version, State.RETIRED, replaced))
    if standing.champion:
        state, share = (State.HOLDBACK, terms.holdback_share) if terms.holds_back else (State.RETIRED, 0.0)
        clears.append(Move(standing.champion.version, state, replaced, share))
    if standing.challenger and standing.challenger.version != version:
        clears.append(Move(standing.challenger.version, State.REJECTED, replaced))
    return Move(version, State.CHAMPION, reason, 1.0, ApprovalKind.CHAMPION, tuple(clears), evidence or {})
