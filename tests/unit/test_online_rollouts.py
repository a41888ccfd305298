"""A rollout as an agent sees it: one version per conversation, its draw recorded once, every answer with its chance."""

import time
from typing import Any

import pytest

from ml_pipeline.online.policy.document import Model, ModelEntry, Policy, read_document
from ml_pipeline.online.policy.routing import route
from tests.online_agent import messages, offline_agent, recorded
from tests.unit.test_online_predictions import CONTEXT, GIVEN, FakePredictor, fails

OLD, NEW, NEWER = (f"objection.anticipate/{number}" for number in (1, 2, 3))
ROLLOUT = "rollout objection.anticipate"


@pytest.fixture
async def service(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch, predict_budget_ms="200") as started:
        yield started


def entry(version, state, share=0.0, salt=NEW):
    return ModelEntry("objection", "anticipate", version, state, share, version, salt)


def model_of(entry, do):
    predictor: Any = FakePredictor("trust", do or (lambda: None))
    return Model(entry, predictor)


def obey(service, *entries, do=None, lacking=()):
    """Put a policy in force; ``do``: what a version does before it answers; ``lacking``: versions not loaded here."""
    models = tuple(model_of(each, (do or {}).get(each.version)) for each in entries if each.version not in lacking)
    n = service.started().policy.policy.position[1] + 1
    service.started().policy.policy = Policy((1, n), models, entries=entries)


async def ask(service, conversation="c", turns=("hi",), context=None):
    context = CONTEXT if context is None else context
    return await service.process_conversation_predictions(conversation, messages(*turns), context, GIVEN)


async def served_by(service, conversation="c", turns=("hi",)):
    return (await ask(service, conversation, turns))["served_by"]["objection"]


def answers(tmp_path, conversation=None):
    """What was recorded of the task: {(turn, version): (is served, propensity)}."""
    return {
        (line["data"]["turn"], line["data"]["version"]): (line["data"]["is_served"], line["data"]["propensity"])
        for line in recorded(tmp_path, "prediction")
        if line["data"]["task"] == "objection" and conversation in (None, line["client_id"])
    }


async def test_a_conversation_keeps_its_version_while_the_share_grows_and_after_the_promotion(service):
    steps = [
        (entry(OLD, "champion", 1), entry(NEW, "canary", 0.25)),
        (entry(OLD, "champion", 1), entry(NEW, "canary", 0.9)),
        (entry(NEW, "champion", 1), entry(OLD, "holdback", 0.05)),
    ]

    found: dict[str, list[str]] = {f"c{at}": [] for at in range(20)}
    for turn, step in enumerate(steps):
        obey(service, *step)
        for conversation, versions in found.items():
            versions.append(await served_by(service, conversation, ("hi",) * (turn + 1)))

    assert all(len(set(versions)) == 1 for versions in found.values())
    assert {versions[0] for versions in found.values()} == {OLD, NEW}


async def test_a_conversation_that_began_before_the_canary_stays_with_the_champion_and_is_not_in_the_rollout(
    service, tmp_path
):
    obey(service, entry(OLD, "champion", 1), entry(NEW, "shadow"))
    await ask(service)
    obey(service, entry(OLD, "champion", 1), entry(NEW, "canary", 1.0))

    version = await served_by(service, turns=("hi", "hello", "yes"))

    assert version == OLD
    assert recorded(tmp_path, "assignment") == []
    assert answers(tmp_path)[2, OLD] == (True, 1.0)


async def test_a_version_taken_back_answers_no_further_turn(service):
    obey(service, entry(OLD, "champion", 1), entry(NEW, "canary", 1.0))
    before = await served_by(service)
    obey(service, entry(OLD, "champion", 1))

    after = await served_by(service, turns=("hi", "hello", "yes"))

    assert (before, after) == (NEW, OLD)


async def test_the_draw_is_recorded_once_and_not_shown(service, tmp_path):
    obey(service, entry(OLD, "champion", 1), entry(NEW, "canary", 0.25))

    results = [await ask(service, turns=("hi",) * turns) for turns in (1, 2, 3)]

    (assignment,) = [line["data"] for line in recorded(tmp_path, "assignment")]
    served = results[0]["served_by"]["objection"]
    assert (assignment["experiment"], assignment["arm"], assignment["reason"]) == (ROLLOUT, served, "drawn")
    assert assignment["propensity"] == {OLD: 0.75, NEW: 0.25}[served]
    assert assignment["policy"] == {"epoch": 1, "n": 1}
    assert all(result["ab_variants"] == {} for result in results)
    insights = await service.get_ml_insights_for_conversation("c")
    assert insights["ab_variants"] == {}


async def test_a_customer_meets_the_same_version_in_each_conversation(service, tmp_path):
    obey(service, entry(OLD, "champion", 1), entry(NEW, "canary", 0.5))

    found = [
        (await ask(service, f"c{at}", context={"customer_data": {"customer_id": "ana"}}))["served_by"]["objection"]
        for at in range(12)
    ]

    assert len(set(found)) == 1
    assert {line["data"]["unit"] for line in recorded(tmp_path, "assignment")} == {"customer"}


@pytest.mark.parametrize(
    ("entries", "chances"),
    [
        ((), {"caller": 1.0}),
        ((entry(OLD, "champion", 1),), {"caller": 0.0, OLD: 1.0}),
        ((entry(OLD, "champion", 1), entry(NEW, "shadow")), {"caller": 0.0, OLD: 1.0, NEW: 0.0}),
        ((entry(OLD, "champion", 1), entry(NEW, "canary", 0.25)), {"caller": 0.0, OLD: 0.75, NEW: 0.25}),
        ((entry(NEW, "champion", 1), entry(OLD, "holdback", 0.125)), {"caller": 0.0, OLD: 0.125, NEW: 0.875}),
    ],
)
async def test_every_answer_tells_its_chance(service, tmp_path, entries, chances):
    obey(service, *entries)

    await ask(service)

    assert {version: chance for (_, version), (_, chance) in answers(tmp_path).items()} == chances


async def test_the_chance_is_that_of_the_draw_though_the_share_has_grown(service, tmp_path):
    obey(service, entry(OLD, "champion", 1), entry(NEW, "canary", 0.25))
    await ask(service)
    obey(service, entry(OLD, "champion", 1), entry(NEW, "canary", 0.5))

    await ask(service, turns=("hi", "hello", "yes"))

    assert answers(tmp_path)[2, NEW][1] == 0.25


@pytest.mark.parametrize("is_lacking", [True, False])
async def test_for_a_challenger_that_cannot_run_the_champion_stands_in_and_the_draw_counts(
    service, tmp_path, is_lacking
):
    entries = (entry(OLD, "champion", 1), entry(NEW, "canary", 1.0))
    obey(service, *entries, do={NEW: fails}, lacking={NEW} if is_lacking else ())

    result = await ask(service)

    assert result["served_by"]["objection"] == OLD
    assert result.get("flags", {}) == ({} if is_lacking else {"objection": "prediction_failed"})
    (assignment,) = recorded(tmp_path, "assignment")
    assert assignment["data"]["arm"] == NEW
    assert (0, NEW) not in answers(tmp_path)


async def test_for_all_that_fail_the_caller_stands_in_with_the_chance_of_who_was_drawn(service, tmp_path):
    obey(service, entry(OLD, "champion", 1), entry(NEW, "canary", 0.25), do={OLD: fails, NEW: fails})

    await ask(service)

    (assignment,) = recorded(tmp_path, "assignment")
    assert answers(tmp_path) == {(0, "caller"): (True, assignment["data"]["propensity"])}


async def test_a_shadow_is_never_shown_though_everybody_else_fails(service, tmp_path):
    obey(service, entry(OLD, "champion", 1), entry(NEW, "shadow"), do={OLD: fails})

    result = await ask(service)

    assert result["served_by"]["objection"] == "caller"
    assert result["predictions"]["objections"] == GIVEN["objections"]
    assert answers(tmp_path) == {(0, "caller"): (True, 1.0), (0, NEW): (False, 0.0)}


async def test_a_shadow_that_takes_all_the_time_costs_the_champion_nothing(service):
    slow = {NEWER: lambda: time.sleep(0.25)}
    obey(service, entry(OLD, "champion", 1), entry(NEWER, "shadow"), do=slow)

    result = await ask(service)

    assert result["served_by"]["objection"] == OLD
    assert "flags" not in result


def test_what_a_later_release_adds_to_a_policy_is_left_alone():
    model = (
        '{"task": "needs", "mode": "detect", "version": "needs.detect/1", "state": "hibernating",'
        ' "traffic_share": 0.05, "digest": "d", "salt": "s", "to_come": {"any": 1}}'
    )

    document = read_document(f'{{"schema": 1, "epoch": 1, "n": 2, "models": [{model}], "more": []}}'.encode())

    assert route(document.models, "c", {}).version == "caller"
