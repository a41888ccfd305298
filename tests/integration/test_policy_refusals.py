"""Policies an agent refuses: each is counted by its reason, and the last good one stays, across restarts too."""

import asyncio
import json
import time
from typing import Any

import msgspec
import pytest

from ml_pipeline import MLPipelineService
from ml_pipeline.errors import DatabaseError
from ml_pipeline.online import store
from ml_pipeline.online.policy.cache import PolicyCache
from ml_pipeline.online.policy.reader import cache_of
from tests.integration.policy import EVEN, bundle, document, execute, experiment, publish, rewrite
from tests.online_agent import NOWHERE, messages, offline_agent, recorded

CHAMPION = "objection.anticipate/1"
ANSWER = {"objections": ["price"]}
HUGE = 50 << 20


@pytest.fixture(autouse=True)
def on_disk(monkeypatch):
    """Events stay on disk, where tests read them."""
    monkeypatch.setenv("ML_PIPELINE_SHIPPER", "none")


@pytest.fixture
def good(database) -> dict[str, Any]:
    """The policy (1, 1): a champion and an experiment."""
    experiment(database)
    publish(database, (bundle(CHAMPION), "champion", 0))
    return document(database)


def put(database, given: str, n: int) -> None:
    """Publish ``given`` as nobody should."""
    execute(database, "INSERT INTO policy_snapshots (epoch, n, document) VALUES (1, %s, %s)", n, given)
    execute(database, "NOTIFY policy")


async def noted(service, reason: str, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not service.started().recorder.counts.noted[reason]:
        assert time.monotonic() < deadline, dict(service.started().recorder.counts.noted)
        await asyncio.sleep(0.02)


async def obeyed(service) -> tuple[tuple[int, int], set[str], set[str]]:
    """The policy's position, who serves and what is tried, as a call sees them."""
    result = await service.process_conversation_predictions("c", messages("hi"), {}, ANSWER)
    return service.started().policy.policy.position, set(result["served_by"].values()), set(result["ab_variants"])


OBEYED = ((1, 1), {CHAMPION}, {"greeting"})


def with_arms(arms: Any) -> Any:
    return lambda good: {**good, "experiments": [{**good["experiments"][0], "arms": arms}]}


REFUSED: dict[str, tuple[str, Any]] = {
    "empty": ("policy_unreadable", lambda good: "{}"),
    "no object": ("policy_unreadable", lambda good: "[1]"),
    "null": ("policy_unreadable", lambda good: "null"),
    "no models": ("policy_unreadable", lambda good: {key: good[key] for key in good if key != "models"}),
    "models of a wrong type": ("policy_unreadable", lambda good: {**good, "models": {"objection": "champion"}}),
    "a position of a wrong type": ("policy_unreadable", lambda good: {**good, "n": "newest"}),
    "a schema of a wrong type": ("policy_unreadable", lambda good: {**good, "schema": "1"}),
    "a switch of a wrong type": ("policy_unreadable", lambda good: {**good, "switches": [{"name": 1}]}),
    "nested without end": ("policy_unreadable", lambda good: '{"schema": 1, "x": ' + "[" * 5000 + "]" * 5000 + "}"),
    "future schema": ("policy_of_other_schema", lambda good: {"schema": 2, "everything": "is different"}),
    "past schema": ("policy_of_other_schema", lambda good: {**good, "schema": 0}),
    "lower epoch": ("policy_older", lambda good: {**good, "epoch": 0, "n": 99}),
    "lower n": ("policy_older", lambda good: {**good, "n": 0}),
    "50 MB": ("policy_too_large", lambda good: json.dumps({**good, "n": 2, "notes": "x" * HUGE})),
    "no arms": ("policy_unreadable", with_arms([])),
    "arms of text": ("policy_unreadable", with_arms("plain")),
    "weight of text": ("policy_unreadable", with_arms([{"name": "plain", "weight": "1"}])),
    "weight below zero": ("policy_unreadable", with_arms([{"name": "plain", "weight": -1}])),
}  # fmt: skip


@pytest.mark.parametrize("which", REFUSED)
async def test_a_bad_policy_is_refused_and_the_last_good_one_stays_across_a_restart(database, good, which):
    reason, spoilt = REFUSED[which]
    given = spoilt(good)
    async with MLPipelineService() as service:
        before = await obeyed(service)
        put(database, given if isinstance(given, str) else json.dumps(given), n=2)
        await noted(service, reason)
        during = await obeyed(service)
    async with MLPipelineService() as service:
        await noted(service, reason)
        restarted = await obeyed(service)

    assert before == during == restarted == OBEYED


async def test_an_older_policy_is_refused_until_the_epoch_is_raised(database, good):
    """As after a restore: the database has gone back to (1, 1), the agents have seen (1, 3)."""
    async with MLPipelineService() as service:
        for _ in range(2):
            execute(database, "SELECT publish_policy()")
        await position(service, (1, 3))
        rewrite(database, "DELETE FROM policy_snapshots WHERE n > 1")
        execute(database, "NOTIFY policy")
        await noted(service, "policy_older")
        execute(database, "SELECT publish_policy()")
        held = service.started().policy.policy.position
        epoch = execute(database, "SELECT raise_epoch()")
        await position(service, (epoch, 1))
        after = await obeyed(service)

    assert held == (1, 3)
    assert after == ((epoch, 1), {CHAMPION}, {"greeting"})


async def read_again(service, database) -> None:
    """Wait until the service has asked the database once more."""
    before, deadline = service.started().policy.read_at, time.monotonic() + 10
    execute(database, "NOTIFY policy")
    while service.started().policy.read_at == before:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def position(service, expected: tuple[int, int]) -> None:
    deadline = time.monotonic() + 10
    while service.started().policy.policy.position != expected:
        assert time.monotonic() < deadline, service.started().policy.policy.position
        await asyncio.sleep(0.02)


async def test_a_refused_policy_is_counted_once_and_the_next_good_one_obeyed(database, good):
    async with MLPipelineService() as service:
        await obeyed(service)
        put(database, "{}", n=2)
        await noted(service, "policy_unreadable")
        for _ in range(3):
            await read_again(service, database)
        counted = service.started().recorder.counts.noted["policy_unreadable"]
        execute(database, "SELECT publish_policy()")
        await position(service, (1, 3))

    assert counted == 1


SPOILT_FILES: dict[str, tuple[str, Any]] = {
    "empty": ("kept_policy_unreadable", lambda text: b""),
    "truncated": ("kept_policy_unreadable", lambda text: text[: len(text) // 2]),
    "no text": ("kept_policy_unreadable", lambda text: b"\xff\xfe\x00" * 100),
    "half a character": ("kept_policy_unreadable", lambda text: text.replace(b"plain", b"\\ud800", 1)),
    "other fields": ("kept_policy_unreadable", lambda text: b'{"document": {}}'),
    "a flipped bit": ("kept_policy_altered", lambda text: text.replace(b"greeting", b"grfeting")),
    "another checksum": ("kept_policy_altered", lambda text: text.replace(b'{"checksum":"', b'{"checksum":"0', 1)),
    "50 MB": ("policy_too_large", lambda text: text + b" " * HUGE),
}


@pytest.mark.parametrize("which", SPOILT_FILES)
async def test_a_spoilt_file_is_refused_and_the_policy_fetched_again(database, good, tmp_path, which):
    reason, spoil = SPOILT_FILES[which]
    async with MLPipelineService() as service:
        await obeyed(service)
    (file,) = (tmp_path / "cache").glob("*/policy.json")
    text = file.read_bytes()
    file.write_bytes(spoil(text))

    async with MLPipelineService() as service:
        found = await obeyed(service)
        refused = service.started().recorder.counts.noted[reason]

    assert found == OBEYED
    assert refused == 1
    assert file.read_bytes() == text


@pytest.mark.parametrize("which", [*SPOILT_FILES, "future schema", "wrong types"])
async def test_without_a_database_a_spoilt_file_leaves_the_caller_and_no_arms_and_all_is_recorded(
    tmp_path, monkeypatch, which
):
    tried = {"id": "e", "name": "greeting", "unit": "conversation", "salt": "e", "traffic": 1, "arms": EVEN,
             "eligibility": {}, "reason": "drawn"}  # fmt: skip
    changed = {"future schema": {"schema": 9}, "wrong types": {"experiments": 7}}.get(which, {})
    kept = {"schema": 1, "epoch": 1, "n": 1, "models": [], "experiments": [tried], **changed}
    cache_of(tmp_path / "cache", NOWHERE).keep_policy(json.dumps(kept).encode())
    (file,) = (tmp_path / "cache").glob("*/policy.json")
    if which in SPOILT_FILES:
        file.write_bytes(SPOILT_FILES[which][1](file.read_bytes()))

    async with offline_agent(tmp_path, monkeypatch) as service:
        result = await service.process_conversation_predictions("c", messages("hi"), {}, ANSWER)
        counted = service.started().recorder.counts.noted

    assert (result["served_by"], result["ab_variants"]) == ({"objection": "caller"}, {})
    assert [line["event_type"] for line in recorded(tmp_path)] == ["turn", "prediction"]
    assert [reason for reason in counted if reason != "policy_unreachable"] == [
        {"future schema": "policy_of_other_schema", "wrong types": "policy_unreadable"}.get(which)
        or SPOILT_FILES[which][0]
    ]


async def test_what_this_release_does_not_know_is_left_alone_and_kept_for_one_that_does(database, good, tmp_path):
    """So an agent of the release before went on when experiments came: the same schema, more fields."""
    more = {
        **good, "n": 2, "patterns": [{"seen": "often"}], "models": [{**good["models"][0], "colour": "red"}],
        "experiments": [{**good["experiments"][0], "arms": [{**arm, "colour": "red"} for arm in EVEN], "bandit": {}}],
    }  # fmt: skip

    async with MLPipelineService() as service:
        await obeyed(service)
        put(database, json.dumps(more), n=2)
        await position(service, (1, 2))
        found = await obeyed(service)

    (file,) = (tmp_path / "cache").glob("*/policy.json")
    assert found == ((1, 2), {CHAMPION}, {"greeting"})
    assert json.loads(msgspec.json.decode(file.read_bytes())["document"]) == more


async def test_a_copy_that_an_older_release_kept_in_part_is_completed_at_the_next_start(database, good, tmp_path):
    async with MLPipelineService() as service:
        await obeyed(service)
    (file,) = (tmp_path / "cache").glob("*/policy.json")
    PolicyCache(file.parent).keep_policy(
        json.dumps({key: good[key] for key in ("schema", "epoch", "n", "models")}).encode()
    )

    async with MLPipelineService() as service:
        found = await obeyed(service)

    assert found == OBEYED


async def test_a_kill_switch_waits_for_no_bundle(database, good, monkeypatch):
    """A bundle that cannot be fetched, time and again, keeps nothing else of its policy from being obeyed."""

    def fails(connection, digest, rest):
        raise DatabaseError("Postgres is away (57014): canceling statement due to statement timeout")

    async with MLPipelineService() as service:
        await obeyed(service)
        monkeypatch.setattr(store, "bundle_content", fails)
        execute(database, "SELECT set_kill_switch('experiments', true, 'why', 'who')")
        publish(database, (bundle("objection.anticipate/2"), "champion", 0))
        await position(service, (1, 3))
        result = await service.process_conversation_predictions("c", messages("hi"), {}, ANSWER)
        monkeypatch.undo()
        deadline = time.monotonic() + 10
        while not service.started().policy.policy.models:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)

    assert (result["served_by"], result["ab_variants"]) == ({"objection": "caller"}, {"greeting": "plain"})
