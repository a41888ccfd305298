"""What publish_policy() composes, and what nothing can keep it from composing."""

import json
import random
import threading
import time

import psycopg2
import pytest

from ml_pipeline.online.policy.document import MOST_BYTES, read_document
from tests.integration.events import rows
from tests.integration.policy import EVEN, bundle, document, execute, experiment, kill, publish

CHAMPION, CANARY, HELD_BACK = "objection.anticipate/1", "objection.anticipate/2", "objection.anticipate/3"


def versions(database) -> set[str]:
    return {model["version"] for model in document(database)["models"]}


def put_three_in_force(database) -> None:
    publish(
        database,
        (bundle(CHAMPION), "champion", 0),
        (bundle(CANARY), "canary", 0.25),
        (bundle(HELD_BACK), "holdback", 0.05),
        (bundle("needs.anticipate/1", task="needs"), "canary", 0.5),
    )


@pytest.mark.parametrize(
    ("name", "subject", "left"),
    [
        ("challengers", "", {CHAMPION}),
        ("challengers", "objection", {CHAMPION, "needs.anticipate/1"}),
        ("predictor", "", set()),
        ("predictor", "objection", {"needs.anticipate/1"}),
        ("experiments", "", {CHAMPION, CANARY, HELD_BACK, "needs.anticipate/1"}),
    ],
)
def test_what_is_switched_off_is_not_in_the_policy(database, name, subject, left):
    put_three_in_force(database)
    before = document(database)["models"]

    kill(database, name, subject=subject)
    off = versions(database)
    switches = document(database)["switches"]
    kill(database, name, subject=subject, is_on=False)

    assert off == left
    assert [(switch["name"], switch["subject"]) for switch in switches] == [(name, subject)]
    assert document(database)["models"] == before
    assert document(database)["switches"] == []


def test_of_an_experiment_that_is_switched_off_the_control_is_left_alone(database):
    experiment(database, "greeting")
    experiment(database, "closing")
    kill(database, "experiments", subject="greeting")

    one = {entry["name"]: entry for entry in document(database)["experiments"]}
    kill(database, "experiments")
    all_of_them = document(database)["experiments"]

    assert (one["greeting"]["arms"], one["greeting"]["reason"]) == ([{"name": "plain", "weight": 1}], "switched_off")
    assert (one["closing"]["arms"], one["closing"]["reason"]) == (list(EVEN), "drawn")
    assert [len(entry["arms"]) for entry in all_of_them] == [1, 1]


def test_an_act_is_kept_with_who_when_and_why(database):
    kill(database, "predictor")
    kill(database, "predictor", is_on=False)

    acts = rows(database, "SELECT name, subject, is_on, reason, actor, set_at FROM kill_switches ORDER BY act")
    assert [(act["name"], act["is_on"], act["reason"], act["actor"]) for act in acts] == [
        ("predictor", True, "test", "tester"),
        ("predictor", False, "test", "tester"),
    ]
    assert all(act["set_at"] for act in acts)
    assert [row["is_on"] for row in rows(database, "SELECT is_on FROM current_kill_switches")] == [False]


@pytest.mark.parametrize("act", ["('weather', true, 'why', 'who')", "('predictor', true, '', 'who')",
                                 "('predictor', true, 'why', '')"])  # fmt: skip
def test_a_switch_unknown_or_without_reason_or_actor_changes_nothing(database, act):
    execute(database, "SELECT publish_policy()")

    with pytest.raises(psycopg2.errors.CheckViolation):
        execute(database, f"SELECT set_kill_switch{act}")

    assert document(database)["n"] == 1


def test_jobs_and_dashboards_may_switch_and_nobody_writes_the_records(database):
    for dsn in (database.jobs_dsn, database.dashboards_dsn):
        kill(database, "challengers", dsn=dsn)
        for statement in ("INSERT INTO kill_switches (name, is_on, reason, actor) VALUES ('predictor', true, 'x', 'x')",
                          "UPDATE kill_switches SET is_on = false", "DELETE FROM kill_switches",
                          "INSERT INTO policy_snapshots VALUES (9, 9, '{}')"):  # fmt: skip
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                execute(database, statement, dsn=dsn)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        kill(database, "challengers", dsn=database.capture_dsn)


def test_a_running_experiment_is_in_the_policy_as_agents_read_it(database):
    rich = experiment(
        database, "closing", unit="customer", traffic=0.5, salt="s", eligibility={"languages": ["es"]},
        hypothesis="kept", arms=[{"name": "a", "weight": 0}, {"name": "b", "weight": 2.5, "x": 1}],
    )  # fmt: skip
    plain = experiment(database, "greeting", traffic=None)
    experiment(database, "draft", status="draft")
    experiment(database, "old", status="completed")
    execute(database, "SELECT publish_policy()")

    found = document(database)["experiments"]

    assert found == [
        {"id": rich, "name": "closing", "unit": "customer", "traffic": 0.5, "salt": "s", "reason": "drawn",
         "eligibility": {"languages": ["es"]}, "arms": [{"name": "a", "weight": 0}, {"name": "b", "weight": 2.5}]},
        {"id": plain, "name": "greeting", "unit": "conversation", "traffic": 1, "salt": plain, "reason": "drawn",
         "eligibility": {}, "arms": list(EVEN)},
    ]  # fmt: skip
    assert len(read_document(json.dumps(document(database)).encode()).experiments) == 2


BROKEN = {
    "config is no object": [1, 2],
    "null": None,
    "no arms": {},
    "arms no list": {"arms": {"plain": 1, "warm": 1}},
    "one arm": {"arms": [{"name": "plain", "weight": 1}]},
    "too many arms": {"arms": [{"name": str(at), "weight": 1} for at in range(21)]},
    "arms of text": {"arms": ["plain", "warm"]},
    "arm without name": {"arms": [{"weight": 1}, {"name": "warm", "weight": 1}]},
    "arm with empty name": {"arms": [{"name": "", "weight": 1}, {"name": "warm", "weight": 1}]},
    "arms of one name": {"arms": [{"name": "warm", "weight": 1}, {"name": "warm", "weight": 1}]},
    "arm without weight": {"arms": [{"name": "plain"}, {"name": "warm", "weight": 1}]},
    "weight of text": {"arms": [{"name": "plain", "weight": "1"}, {"name": "warm", "weight": 1}]},
    "weight in a list": {"arms": [{"name": "plain", "weight": [1]}, {"name": "warm", "weight": 1}]},
    "weight below zero": {"arms": [{"name": "plain", "weight": -1}, {"name": "warm", "weight": 1}]},
    "weight beyond floats": {"arms": [{"name": "plain", "weight": 10**400}, {"name": "warm", "weight": 1}]},
    "weight lost in floats": {"arms": [{"name": "plain", "weight": 1e-300}, {"name": "warm", "weight": 0}]},
    "no weight at all": {"arms": [{"name": "plain", "weight": 0}, {"name": "warm", "weight": 0}]},
    "unit": {"arms": EVEN, "unit": "household"},
    "unit no text": {"arms": EVEN, "unit": {"of": "customer"}},
    "traffic above 1": {"arms": EVEN, "traffic": 1.5},
    "traffic of text": {"arms": EVEN, "traffic": "half"},
    "salt empty": {"arms": EVEN, "salt": ""},
    "salt no text": {"arms": EVEN, "salt": 7},
    "eligibility no object": {"arms": EVEN, "eligibility": ["es"]},
    "eligibility misspelt": {"arms": EVEN, "eligibility": {"language": ["es"]}},
    "eligibility no list": {"arms": EVEN, "eligibility": {"languages": "es"}},
    "eligibility of numbers": {"arms": EVEN, "eligibility": {"languages": [1]}},
    "eligibility without end": {"arms": EVEN, "eligibility": {"languages": [f"l{at}" for at in range(5000)]}},
}


def test_broken_experiments_are_left_out_with_the_reason_and_keep_nobody_from_publishing(database):
    experiment(database, "fine")
    for name, config in BROKEN.items():
        experiment(database, name, config=config) if config is not None else execute(
            database,
            "INSERT INTO ml_experiments (id, name, experiment_type, status, config)"
            " VALUES (gen_random_uuid(), %s, 'test', 'running', 'null')",
            name,
        )
    experiment(database, "")
    experiment(database, "fine", salt="a younger namesake")

    publish(database, (bundle(CHAMPION), "champion", 0))

    published = document(database)
    assert [entry["name"] for entry in published["experiments"]] == ["fine"]
    faults = {entry["name"]: entry["fault"] for entry in published["left_out"]}
    assert set(faults) == {*BROKEN, "", "fine"}
    assert faults["eligibility misspelt"].startswith("eligibility holds something else")
    assert faults["fine"] == "an older running experiment has its name"
    assert versions(database) == {CHAMPION}
    read_document(json.dumps(published).encode())


def test_no_number_of_experiments_swells_the_policy_beyond_what_agents_read(database):
    execute(
        database,
        "INSERT INTO ml_experiments (id, name, experiment_type, status, config)"
        " SELECT gen_random_uuid(), 'e' || n, 'test', 'running', %s FROM generate_series(1, 5000) AS n",
        json.dumps({"arms": [{"name": str(at).zfill(100), "weight": 1} for at in range(20)],
                    "eligibility": {"languages": [str(at).zfill(50) for at in range(250)]}}),
    )  # fmt: skip

    publish(database, (bundle(CHAMPION), "champion", 0))

    published = json.dumps(document(database)).encode()
    assert len(read_document(published).experiments) == 100
    assert len(document(database)["left_out"]) == 100
    assert len(published) < MOST_BYTES / 2


@pytest.mark.parametrize("seed", range(3))
def test_no_config_whatever_keeps_a_rollback_from_being_published(database, seed):
    chance = random.Random(seed)

    def junk(depth: int = 0):
        choices = [None, True, 0, -1, 0.5, 10**400, "", "conversation", "es", "weight"]
        if depth < 4 and chance.random() < 0.7:
            names = ["arms", "unit", "traffic", "salt", "eligibility", "languages", "name", "weight"]
            if chance.random() < 0.5:
                return {name: junk(depth + 1) for name in chance.sample(names, chance.randrange(5))}
            return [junk(depth + 1) for _ in range(chance.randrange(4))]
        return chance.choice(choices)

    for at in range(90):
        base = {"arms": EVEN, "unit": "customer", "traffic": 0.5, "eligibility": {}}
        config = {**base, chance.choice(list(base)): junk()} if at % 2 else {"config": junk()}
        experiment(database, f"e{at}", config=config)

    publish(database, (bundle(CHAMPION), "champion", 0))

    published = document(database)
    assert versions(database) == {CHAMPION}
    assert len(published["experiments"]) + len(published["left_out"]) == 90
    assert len(read_document(json.dumps(published).encode()).experiments) == len(published["experiments"])


def test_a_restore_raises_the_epoch_above_all_that_agents_may_have_seen(database):
    """Not only above what the restored database remembers: it may be older than the restore before."""
    put_three_in_force(database)
    models = document(database)["models"]
    this_minute = execute(database, "SELECT floor(extract(epoch FROM now()) / 60)::integer")

    first = execute(database, "SELECT raise_epoch()", dsn=database.jobs_dsn)
    second = execute(database, "SELECT raise_epoch()")
    execute(database, "SELECT publish_policy()")

    found = rows(database, "SELECT epoch, n, document -> 'models' AS models FROM policy_snapshots ORDER BY epoch, n")
    assert [(row["epoch"], row["n"]) for row in found] == [(1, 1), (first, 1), (second, 1), (second, 2)]
    assert second > first >= this_minute
    assert all(row["models"] == models for row in found)


def test_two_acts_at_once_both_end_in_the_policy(database):
    put_three_in_force(database)
    one, other = (psycopg2.connect(database.dashboards_dsn) for _ in range(2))
    try:
        one.cursor().execute("SELECT set_kill_switch('challengers', true, 'one', 'one')")
        kill_other = "SELECT set_kill_switch('predictor', true, 'other', 'other', 'needs')"
        other.autocommit = True
        waiting = threading.Thread(target=other.cursor().execute, args=(kill_other,))
        waiting.start()
        time.sleep(0.2)
        one.commit()
        waiting.join()
    finally:
        one.close()
        other.close()

    assert versions(database) == {CHAMPION}
    assert len(document(database)["switches"]) == 2
