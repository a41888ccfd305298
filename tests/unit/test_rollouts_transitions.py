"""What may come next for a task: pure, from how it stands and what was judged of it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ml_pipeline.models.rollouts.rules import Rules
from ml_pipeline.models.rollouts.standing import Held, Standing, State
from ml_pipeline.models.rollouts.terms import AT_ONCE, Terms, steps_from, terms_of
from ml_pipeline.models.rollouts.transitions import Move, next_moves
from ml_pipeline.models.rollouts.verdict import Verdict
from ml_pipeline.settings import Settings
from ml_pipeline.vocabulary.approvals import ApprovalKind
from ml_pipeline.vocabulary.rollouts import Step

ONE, TWO, THREE, FOUR = (f"needs.detect/{number}" for number in (1, 2, 3, 4))
SINCE = datetime(2026, 3, 1, tzinfo=UTC)
TERMS = Terms(Rules(), holdback_share=0.05, holdback_days=14)


def held(version: str, state: State, share: float = 0.0, judged_against: str | None = None) -> Held:
    return Held(version, state, share, SINCE, judged_against)


CHAMPION = held(ONE, State.CHAMPION, 1.0)
SHADOW = held(TWO, State.SHADOW)
CANARY = held(TWO, State.CANARY, 0.25)
LAST_STEP = held(TWO, State.CANARY, 0.5)
CANDIDATE = held(THREE, State.CANDIDATE, judged_against=ONE)
HOLDBACK = held(FOUR, State.HOLDBACK, 0.05)


def verdict(act: Any) -> Verdict:
    return Verdict(act, f"because of {act}", {"matured": 7})


def moves(*states: Held, acts: dict[str, Any] | None = None, terms: Terms = TERMS, **fields: Any) -> list[Move]:
    verdicts = {version: verdict(act) for version, act in (acts or {}).items()}
    return list(next_moves(Standing(states, **fields), verdicts, terms))


def told(made: list[Move]) -> list[tuple[str, State, float]]:
    return [(move.version, move.state, move.share) for move in made]


def cleared(move: Move) -> list[tuple[str, State, float]]:
    return told(list(move.clears))


def test_without_a_champion_a_candidate_is_the_first_one():
    (move,) = moves(held(ONE, State.CANDIDATE))

    assert (move.version, move.state, move.reason, move.asks) == (ONE, State.CHAMPION, "first", ApprovalKind.FIRST)
    assert move.clears == ()


def test_beside_a_champion_a_candidate_runs_in_the_shadow():
    (move,) = moves(CHAMPION, CANDIDATE)

    assert (move.version, move.state, move.share, move.asks) == (THREE, State.SHADOW, 0.0, ApprovalKind.SHADOW)


def test_a_candidate_supersedes_a_challenger_in_shadow():
    (move,) = moves(CHAMPION, SHADOW, CANDIDATE)

    assert told([move]) == [(THREE, State.SHADOW, 0.0)]
    assert cleared(move) == [(TWO, State.REJECTED, 0.0)]
    assert THREE in move.clears[0].reason


def test_a_candidate_waits_while_a_canary_runs():
    assert moves(CHAMPION, CANARY, CANDIDATE) == []


@pytest.mark.parametrize("champion", [held(TWO, State.CHAMPION), None])
def test_a_candidate_that_was_compared_with_another_than_who_serves_is_rejected(champion):
    states = (champion, CANDIDATE) if champion else (CANDIDATE,)

    (move,) = moves(*states)

    assert told([move]) == [(THREE, State.REJECTED, 0.0)]
    assert f"judged against {ONE}" in move.reason


def test_a_shadow_that_has_shown_enough_gets_the_first_share():
    (move,) = moves(CHAMPION, SHADOW, acts={TWO: "advance"})

    assert (told([move]), move.asks) == ([(TWO, State.CANARY, 0.05)], ApprovalKind.CANARY)
    assert (move.reason, move.evidence) == ("because of advance", {"matured": 7})


def test_a_canary_that_has_shown_enough_gets_the_next_share():
    (move,) = moves(CHAMPION, CANARY, acts={TWO: "advance"})

    assert (told([move]), move.step) == ([(TWO, State.CANARY, 0.5)], "canary 50%")


@pytest.mark.parametrize("state", [SHADOW, CANARY])
def test_what_has_not_shown_enough_stays(state):
    assert moves(CHAMPION, state, acts={TWO: "stay"}) == []
    assert moves(CHAMPION, state) == []


def test_after_the_last_step_the_challenger_is_champion_and_who_was_is_held_back():
    (move,) = moves(CHAMPION, LAST_STEP, acts={TWO: "promote"})

    assert (told([move]), move.asks) == ([(TWO, State.CHAMPION, 1.0)], ApprovalKind.CHAMPION)
    assert cleared(move) == [(ONE, State.HOLDBACK, 0.05)]


@pytest.mark.parametrize("terms", [Terms(Rules(), 0.0, 14), Terms(Rules(), 0.05, 0)])
def test_without_a_share_or_a_time_nobody_is_held_back(terms):
    (move,) = moves(CHAMPION, LAST_STEP, acts={TWO: "promote"}, terms=terms)

    assert cleared(move) == [(ONE, State.RETIRED, 0.0)]


@pytest.mark.parametrize("state", [SHADOW, CANARY, LAST_STEP])
def test_a_challenger_that_does_harm_is_taken_back_whatever_else_could_be_done(state):
    made = moves(CHAMPION, state, CANDIDATE, acts={TWO: "take_back"})

    assert [(move.version, move.state, move.serves, move.asks) for move in made] == [
        (TWO, State.ROLLED_BACK, ONE, None)
    ]


def test_a_champion_that_does_harm_gives_way_to_who_was_held_back_before_any_challenger_is_looked_at():
    made = moves(CHAMPION, HOLDBACK, SHADOW, acts={ONE: "take_back", TWO: "take_back"})

    assert [(move.version, move.serves) for move in made] == [(ONE, FOUR)]


def test_without_a_holdback_a_champion_is_not_taken_back_by_what_is_said_of_it():
    assert moves(CHAMPION, SHADOW, acts={ONE: "take_back"}) == []


@pytest.mark.parametrize(("days", "expected"), [(13.9, []), (14.0, [(FOUR, State.RETIRED, 0.0)])])
def test_a_holdback_ends_when_its_time_is_over(days, expected):
    assert told(moves(CHAMPION, HOLDBACK, acts={ONE: "stay"}, held_back_days=days)) == expected


def test_while_one_is_held_back_a_challenger_stays_in_shadow():
    assert moves(CHAMPION, HOLDBACK, SHADOW, acts={TWO: "advance"}) == []


@pytest.mark.parametrize("act", ["advance", "promote"])
def test_while_a_kill_switch_is_on_nothing_goes_on(act):
    made = moves(CHAMPION, HOLDBACK, CANARY, CANDIDATE, acts={TWO: act, ONE: act}, is_paused=True, held_back_days=99)

    assert made == []


@pytest.mark.parametrize(("harmful", "serves"), [(ONE, FOUR), (TWO, ONE)])
def test_a_kill_switch_keeps_nobody_from_going_back(harmful, serves):
    (move,) = moves(CHAMPION, HOLDBACK, CANARY, CANDIDATE, acts={harmful: "take_back"}, is_paused=True)

    assert (told([move]), move.serves) == ([(harmful, State.ROLLED_BACK, 0.0)], serves)


def test_a_kill_switch_on_challengers_keeps_no_first_champion_away():
    assert told(moves(held(ONE, State.CANDIDATE), is_paused=True)) == [(ONE, State.CHAMPION, 1.0)]


@pytest.mark.parametrize("states", [(CANDIDATE,), (SHADOW,), (CANARY,)])
def test_without_steps_what_passed_its_gate_is_champion_at_once_and_nobody_is_held_back(states):
    terms = Terms(Rules(steps=()), holdback_share=0.05, holdback_days=14)

    (move,) = moves(CHAMPION, *states, terms=terms)

    assert told([move]) == [(states[0].version, State.CHAMPION, 1.0)]
    assert cleared(move) == [(ONE, State.RETIRED, 0.0)]


def test_a_promotion_without_steps_leaves_no_challenger_and_no_holdback_behind():
    (move,) = moves(CHAMPION, HOLDBACK, CANDIDATE, terms=AT_ONCE, held_back_days=0)[1:]

    assert cleared(move) == [(FOUR, State.RETIRED, 0.0), (ONE, State.RETIRED, 0.0)]


def test_a_question_about_each_step_is_another_one():
    steps = [held(TWO, State.SHADOW), held(TWO, State.CANARY, 0.05), held(TWO, State.CANARY, 0.25)]

    asked = [moves(CHAMPION, at, acts={TWO: "advance"})[0].step for at in steps]
    last = moves(CHAMPION, LAST_STEP, acts={TWO: "promote"})[0].step

    assert [*asked, last] == ["canary 5%", "canary 25%", "canary 50%", "champion"]


def test_a_share_that_is_no_step_any_more_is_a_step_of_its_own():
    steps, at = steps_from((Step(0.1, 100), Step(0.5, 900)), 0.25)

    assert [(step.share, step.min_matured) for step in steps] == [(0.1, 100), (0.25, 100), (0.5, 900)]
    assert at == 1


def test_a_share_above_all_steps_is_the_last():
    steps, at = steps_from((Step(0.1, 100),), 0.5)

    assert [step.share for step in steps] == [0.1, 0.5]
    assert at == 1


def test_steps_are_taken_in_the_order_of_their_shares_and_a_sale_waits_for_the_attribution_window_at_most():
    settings = Settings(rollout_steps=(Step(0.5, 9), Step(0.1, 3)), attribution_days=2)

    terms = terms_of(settings)

    assert [step.share for step in terms.rules.steps] == [0.1, 0.5]
    assert terms.sale_age.days == 2
