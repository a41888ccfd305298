"""Who is to answer a conversation: fair, the same everywhere, kept for the conversation, nested over the steps."""

import uuid

import pytest
from scipy.stats import binomtest

from ml_pipeline.online.ids import conversation_uuid
from ml_pipeline.online.policy.document import ModelEntry
from ml_pipeline.online.policy.routing import Route, is_kept, rollout_id, route
from ml_pipeline.vocabulary.tasks import CALLER

CONVERSATIONS = [conversation_uuid(f"conversation {number}") for number in range(20_000)]
OLD, NEW, NEWER = (f"needs.detect/{number}" for number in (1, 2, 3))
ALPHA = 0.001
"""The ids are fixed and so is each p: a fair draw fails one such test in a thousand for good, not now and then."""


def entry(version: str, state: str, share: float = 0.0, salt: str = NEW) -> ModelEntry:
    return ModelEntry("needs", "detect", version, state, share, "digest", salt)


def canary(share: float, version: str = NEW) -> list[ModelEntry]:
    return [entry(OLD, "champion", 1), entry(version, "canary", share, version)]


def answered_by(version: str, entries: list[ModelEntry]) -> set[str]:
    return {each for each in CONVERSATIONS if route(entries, each, {}).version == version}


@pytest.mark.parametrize("share", [0.05, 0.25, 0.5])
def test_a_canary_answers_its_share(share):
    found = answered_by(NEW, canary(share))

    assert binomtest(len(found), len(CONVERSATIONS), share).pvalue > ALPHA


def test_who_had_the_canary_keeps_it_when_its_share_grows():
    steps = [answered_by(NEW, canary(share)) for share in (0.05, 0.25, 0.5)]

    assert steps[0] < steps[1] < steps[2]


def test_who_is_held_back_never_had_the_canary():
    held_back = answered_by(OLD, [entry(NEW, "champion", 1), entry(OLD, "holdback", 0.05)])

    assert binomtest(len(held_back), len(CONVERSATIONS), 0.05).pvalue > ALPHA
    assert held_back.isdisjoint(answered_by(NEW, canary(0.5)))


def test_another_challenger_meets_others():
    first, second = answered_by(NEW, canary(0.25)), answered_by(NEWER, canary(0.25, NEWER))

    assert binomtest(len(first & second), len(first), 0.25).pvalue > ALPHA


def test_a_customer_who_comes_back_meets_the_same_version():
    entries = canary(0.5)

    for customer in (f"customer {number}" for number in range(50)):
        found = {route(entries, each, {"customer_key": customer}).version for each in CONVERSATIONS[:20]}
        assert len(found) == 1


def test_a_release_moves_no_conversation():
    found = [route(canary(0.5), each, {}).version[-1] for each in CONVERSATIONS[:16]]

    assert "".join(found) == "1221221122122211"


def test_the_draw_tells_who_might_have_answered_and_by_what_it_was_drawn():
    found = route(canary(0.25), CONVERSATIONS[0], {"customer_key": "ana"})

    assert found.chances == {OLD: 0.75, NEW: 0.25}
    assert found.drawn
    assert (found.drawn.arm, found.drawn.unit, found.drawn.unit_id) == (found.version, "customer", "ana")
    assert found.drawn.propensity == found.chances[found.version]
    assert uuid.UUID(found.rollout_id).version == 5


def test_canary_and_holdback_of_one_challenger_are_one_rollout():
    tried = route(canary(0.5), CONVERSATIONS[0], {})
    held = route([entry(NEW, "champion", 1), entry(OLD, "holdback", 0.05)], CONVERSATIONS[0], {})

    assert tried.rollout_id == held.rollout_id == rollout_id(NEW)


@pytest.mark.parametrize("entries", [[], [entry(NEW, "shadow")], [entry(NEW, "canary", 0.5)]])
def test_without_a_champion_the_caller_answers(entries):
    found = {route(entries, each, {}).version for each in CONVERSATIONS[:50]}

    assert found == {CALLER}


def test_beside_a_shadow_the_champion_answers_and_nothing_is_drawn():
    found = route([entry(OLD, "champion", 1), entry(NEW, "shadow")], CONVERSATIONS[0], {})

    assert (found.version, found.chances, found.drawn) == (OLD, {OLD: 1.0}, None)


@pytest.mark.parametrize(
    ("state", "expected"), [("champion", True), ("canary", True), ("holdback", True), ("shadow", False)]
)
def test_who_answered_goes_on_as_long_as_the_version_answers_anybody(state, expected):
    held = Route(NEW, {NEW: 0.05, OLD: 0.95})

    assert is_kept(held, [entry(NEW, state, 0.5)]) is expected
    assert is_kept(held, [entry(OLD, "champion", 1)]) is False
    assert is_kept(None, [entry(NEW, state, 0.5)]) is False


def test_who_stands_in_for_another_has_that_one_s_chance():
    drawn = Route(NEW, {NEW: 0.05, OLD: 0.95})

    assert drawn.chance(CALLER, is_served=True) == 0.05
    assert drawn.chance(CALLER, is_served=False) == 0.0
    assert drawn.chance(OLD, is_served=True) == 0.95
