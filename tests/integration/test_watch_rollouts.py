"""Rollouts on a real Postgres: the whole way, back from each state, twice, and two at once."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ml_pipeline.database.engine import transaction
from ml_pipeline.errors import RolloutError
from ml_pipeline.jobs import ask_approval
from ml_pipeline.jobs import watch_rollouts as job
from ml_pipeline.models import publication
from ml_pipeline.models.approvals import store as approvals
from ml_pipeline.models.rollouts.evidence import Evidence
from ml_pipeline.models.rollouts.looks import Pair, read_evidence
from ml_pipeline.models.rollouts.terms import AT_ONCE, Terms, terms_of
from ml_pipeline.models.specification import Window
from ml_pipeline.settings import load_settings
from ml_pipeline.vocabulary.tasks import NEEDS
from tests.integration.events import rows
from tests.integration.policy import execute, kill, rewrite
from tests.integration.rollout_floor import (
    NEW,
    NEWER,
    OLD,
    Floor,
    decided,
    in_policy,
    let_time_pass,
    open_floor,
    passed,
    states,
)

SETTINGS = """
rollout_min_shadow = 100
rollout_quality_margin = 2.0
rollout_sales_margin = 0.6
rollout_steps = [{share = 0.2, min_matured = 10}, {share = 0.5, min_matured = 10}]
"""
"""Margins wide enough for a hundred conversations to show something; the shipped ones are judged elsewhere."""


@pytest.fixture
def database(emptied_database, monkeypatch, tmp_path: Path):
    """A champion and a challenger in its shadow that began weeks ago."""
    configure(tmp_path, monkeypatch, SETTINGS)
    passed(OLD, None, terms())
    passed(NEW, OLD, terms())
    let_time_pass(emptied_database)
    return emptied_database


def configure(folder: Path, monkeypatch: pytest.MonkeyPatch, settings: str) -> None:
    file = folder / f"{len(settings)}.toml"
    file.write_text(settings, encoding="utf-8")
    monkeypatch.setenv("ML_PIPELINE_SETTINGS", str(file))


def terms() -> Terms:
    return terms_of(load_settings())


def moved(counts: dict[str, int]) -> dict[str, int]:
    """What happened to the task under test; the other two have no champion."""
    return {name: count for name, count in counts.items() if count and name != "stayed"}


def advance(database, *floors: Floor) -> list[dict[str, int]]:
    """Let each floor happen and be looked at."""
    found = []
    for floor in floors:
        open_floor(database, floor)
        found.append(moved(job.run()))
    return found


SHADOW = Floor()
FIRST_STEP = Floor(first=400, share=0.2)
SECOND_STEP = Floor(first=800, share=0.5)
HELD_BACK = Floor(first=1200, share=0.95)


def test_the_whole_way_from_candidate_to_champion_and_the_champion_before_to_its_end(database):
    began = in_policy(database)
    way = advance(database, SHADOW, FIRST_STEP, SECOND_STEP)
    after_promotion = in_policy(database)
    held = advance(database, HELD_BACK)
    let_time_pass(database, 14.1)
    ended = moved(job.run())

    assert began == [(OLD, "champion", 1, OLD), (NEW, "shadow", 0, NEW)]
    assert way == [{"canary": 1}, {"canary": 1}, {"champion": 1}]
    assert after_promotion == [(OLD, "holdback", 0.05, NEW), (NEW, "champion", 1, NEW)]
    assert held == [{}]
    assert ended == {"retired": 1}
    assert states(database) == {OLD: "retired", NEW: "champion"}
    assert in_policy(database) == [(NEW, "champion", 1, NEW)]


def test_every_move_is_a_decision_with_its_evidence_by_the_watcher(database):
    advance(database, SHADOW, FIRST_STEP)

    told = [(each["version"], each["verdict"], each["actor"]) for each in decided(database)]
    evidence = decided(database)[-1]["evidence"]
    rollouts = rows(database, "SELECT version, state, traffic_share FROM model_rollouts ORDER BY rollout")

    assert told == [
        (OLD, "CHAMPION", "retrain_models"),
        (NEW, "SHADOW", "retrain_models"),
        (NEW, "CANARY", "watch_rollouts"),
        (NEW, "CANARY", "watch_rollouts"),
    ]
    assert (evidence["phase"], evidence["step"], evidence["matured"]) == ("canary", 0, 80)
    assert evidence["trained_until"].startswith("2026-02-02")
    assert [(row["state"], row["traffic_share"]) for row in rollouts if row["version"] == NEW] == [
        ("candidate", 0), ("shadow", 0), ("canary", 0.2), ("canary", 0.5)
    ]  # fmt: skip


def test_the_first_champion_serves_at_once_and_says_that_it_is_the_first(database):
    first = decided(database)[0]

    assert (first["version"], first["verdict"], first["reason"]) == (OLD, "CHAMPION", "first")


def test_looking_twice_changes_nothing(database):
    advance(database, SHADOW)
    before = len(decided(database)), in_policy(database)

    again = [moved(job.run()) for _ in range(2)]

    assert again == [{}, {}]
    assert (len(decided(database)), in_policy(database)) == before


def test_two_watchers_at_once_make_one_move(database):
    open_floor(database, SHADOW)
    counts, gate = [], threading.Barrier(2)

    def watch():
        gate.wait()
        counts.append(job.run())

    threads = [threading.Thread(target=watch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(count["canary"] for count in counts) == 1
    assert [each["verdict"] for each in decided(database)].count("CANARY") == 1


def test_time_alone_advances_nothing(database):
    let_time_pass(database, 300)

    assert moved(job.run()) == {}


@pytest.mark.parametrize("before", [(), (SHADOW,), (SHADOW, FIRST_STEP)])
def test_a_challenger_that_fails_is_taken_back_from_every_state_and_barred(database, before):
    advance(database, *before)
    first = 400 * len(before)
    broken = Floor(first=first, share=None if not before else 0.2, fails=lambda number: number % 3 == 0)

    (end,) = advance(database, broken)

    assert end == {"rolled_back": 1}
    assert states(database) == {OLD: "champion", NEW: "rolled_back"}
    assert in_policy(database) == [(OLD, "champion", 1, OLD)]
    (rollback,) = decided(database, "rollback")
    assert (rollback["actor"], rollback["version"]) == ("watch_rollouts", NEW)
    assert "errors" in rollback["reason"]
    assert decided(database)[-1]["verdict"] == "ROLLED_BACK"


def test_a_challenger_that_no_agent_can_run_is_taken_back(database):
    (end,) = advance(database, Floor(fails=lambda number: True))

    assert end == {"rolled_back": 1}


def test_a_challenger_that_sells_less_is_taken_back(database):
    advance(database, SHADOW)

    (end,) = advance(database, Floor(first=400, conversations=600, share=0.5, is_sold=lambda _, is_ours: not is_ours))

    assert end == {"rolled_back": 1}
    assert "fewer sales" in decided(database, "rollback")[0]["reason"]


def test_a_champion_that_does_harm_gives_way_to_who_was_held_back(database):
    advance(database, SHADOW, FIRST_STEP, SECOND_STEP)

    (end,) = advance(database, replace(HELD_BACK, fails=lambda number: number % 2 == 0))

    assert end == {"rolled_back": 1}
    assert states(database) == {OLD: "champion", NEW: "rolled_back"}


def test_harm_of_the_champion_ends_a_challenger_in_its_shadow_too(database):
    advance(database, SHADOW, FIRST_STEP, SECOND_STEP)
    passed(NEWER, NEW, terms())

    (end,) = advance(database, replace(HELD_BACK, fails=lambda number: number % 2 == 0))

    assert end == {"rolled_back": 1}
    assert states(database) == {OLD: "champion", NEW: "rolled_back", NEWER: "retired"}


def test_a_shadow_is_superseded_by_the_next_that_passes(database):
    passed(NEWER, OLD, terms())

    assert states(database) == {OLD: "champion", NEW: "rejected", NEWER: "shadow"}


def test_one_that_passes_while_a_canary_runs_waits_and_gets_the_shadow_when_it_is_taken_back(database):
    advance(database, SHADOW)
    passed(NEWER, OLD, terms())
    waiting = states(database)
    execute(database, "SELECT rollback_task('needs', 'detect', NULL, 'I saw it fail', 'ana')")

    counts = moved(job.run())

    assert waiting == {OLD: "champion", NEW: "canary", NEWER: "candidate"}
    assert counts == {"shadow": 1}
    assert states(database) == {OLD: "champion", NEW: "rolled_back", NEWER: "shadow"}


def test_one_that_waits_is_rejected_once_the_canary_is_champion(database):
    advance(database, SHADOW)
    passed(NEWER, OLD, terms())

    advance(database, FIRST_STEP, SECOND_STEP)
    counts = moved(job.run())

    assert counts == {"rejected": 1}
    assert states(database) == {OLD: "holdback", NEW: "champion", NEWER: "rejected"}


def test_a_champion_rolled_back_by_name_while_a_canary_runs_ends_the_canary(database):
    advance(database, SHADOW)

    execute(database, "SELECT rollback_task('needs', 'detect', 'caller', 'all of it', 'ana')")
    counts = moved(job.run())

    assert counts == {}
    assert states(database) == {OLD: "rolled_back", NEW: "retired"}
    assert in_policy(database) == []


@pytest.mark.parametrize("subject", ["", "needs"])
def test_a_kill_switch_stops_the_clock_and_is_no_fault_of_the_challenger(database, subject):
    kill(database, "challengers", subject=subject)
    execute(database, "UPDATE kill_switches SET set_at = set_at - interval '39.9 days'")
    open_floor(database, Floor(fails=lambda number: True))

    while_off = moved(job.run())
    kill(database, "challengers", subject=subject, is_on=False)
    afterwards = moved(job.run())

    assert (while_off, afterwards) == ({}, {})
    assert states(database)[NEW] == "shadow"


def test_an_agent_that_is_cut_off_and_obeys_an_older_policy_is_no_fault_of_the_challenger(database):
    before_it = min((row["epoch"], row["n"]) for row in rows(database, "SELECT epoch, n FROM policy_snapshots"))
    open_floor(database, Floor(policy=before_it, fails=lambda number: True))

    assert moved(job.run()) == {}
    assert states(database)[NEW] == "shadow"


def test_harm_is_taken_back_while_a_kill_switch_is_on(database):
    advance(database, SHADOW)
    open_floor(database, Floor(first=400, share=0.2, fails=lambda number: number % 3 == 0))
    kill(database, "challengers")

    counts = moved(job.run())

    assert counts == {"rolled_back": 1}
    assert states(database) == {OLD: "champion", NEW: "rolled_back"}


@pytest.mark.parametrize(("ours_p", "end"), [(0.9, {"canary": 1}), (0.6, {"rolled_back": 1})])
def test_scores_may_lie_elsewhere_than_the_champion_s_but_not_move_once_they_are_shown(database, ours_p, end):
    begun = advance(database, replace(SHADOW, theirs_p=0.6, ours_p=0.9))

    (found,) = advance(database, replace(FIRST_STEP, theirs_p=0.6, ours_p=ours_p))

    assert (begun, found) == ([{"canary": 1}], end)


def test_a_champion_whose_scores_move_while_another_is_held_back_is_judged_by_labels(database):
    advance(database, SHADOW, FIRST_STEP, SECOND_STEP)

    (end,) = advance(database, replace(HELD_BACK, theirs_p=0.6, ours_p=0.9))

    assert end == {}
    assert states(database) == {OLD: "holdback", NEW: "champion"}


def test_a_holdback_does_not_age_while_it_is_switched_off(database):
    advance(database, SHADOW, FIRST_STEP, SECOND_STEP)
    let_time_pass(database, 15)
    kill(database, "challengers")
    execute(database, "UPDATE kill_switches SET set_at = set_at - interval '10 days'")
    kill(database, "challengers", is_on=False)

    assert moved(job.run()) == {}
    assert states(database)[OLD] == "holdback"


def test_while_somebody_moves_the_task_a_watcher_changes_nothing(database, monkeypatch):
    open_floor(database, SHADOW)

    def slow_look(*arguments, **named):
        execute(database, "SELECT rollback_task('needs', 'detect', NULL, 'I saw it fail', 'ana')")
        return read_evidence(*arguments, **named)

    monkeypatch.setattr("ml_pipeline.jobs.watch_rollouts.read_evidence", slow_look)

    counts = job.run()

    assert counts["overtaken"] == 1
    assert states(database) == {OLD: "champion", NEW: "rolled_back"}


def test_a_step_that_asks_a_person_waits_and_goes_on_once_granted(database, tmp_path, monkeypatch):
    configure(tmp_path, monkeypatch, f"{SETTINGS}\n[[approvals]]\nkinds = ['canary']\n")
    open_floor(database, SHADOW)

    waits = [moved(job.run()) for _ in range(2)]
    (asked,) = rows(database, "SELECT * FROM approvals")
    execute(database, "SELECT answer_approval(%s, true, 'ana', 'go')", asked["approval"])
    granted = moved(job.run())

    assert waits == [{}, {}]
    assert (asked["kind"], asked["version"], asked["step"]) == ("canary", NEW, "canary 20%")
    assert asked["evidence"]["conversations both scored"] == "400"
    assert granted == {"canary": 1}


def test_the_form_in_airflow_asks_for_each_step_and_the_rollout_goes_as_it_was_answered(
    database, tmp_path, monkeypatch
):
    configure(tmp_path, monkeypatch, f"{SETTINGS}\n[[approvals]]\nkinds = ['canary', 'champion']\ndefault = true\n")
    way, asked = [], []

    for number, floor in enumerate((SHADOW, FIRST_STEP, SECOND_STEP)):
        open_floor(database, floor)
        way.append(moved(job.run()))
        asked += ask_approval.take(f"run {number}")
        person = None if number == 2 else {"id": "1", "name": "ana"}
        answer = {"chosen_options": ["Grant"], "params_input": {"why": "go"}, "responded_by_user": person}
        if person is None:
            execute(database, "UPDATE approvals SET answer_by = now() WHERE answered_at IS NULL")
        ask_approval.record(f"run {number}", [answer])
        way.append(moved(job.run()))

    answered = rows(database, "SELECT step, is_granted, actor FROM approvals ORDER BY asked_at")
    assert way == [{}, {"canary": 1}, {}, {"canary": 1}, {}, {"champion": 1}]
    assert [each["subject"].split(":")[0] for each in asked] == [
        f"{NEW}, canary 20%", f"{NEW}, canary 50%", f"{NEW}, champion"
    ]  # fmt: skip
    assert [(row["step"], row["is_granted"], row["actor"]) for row in answered] == [
        ("canary 20%", True, "ana"), ("canary 50%", True, "ana"), ("champion", True, "time-out")
    ]  # fmt: skip
    assert states(database) == {OLD: "holdback", NEW: "champion"}


def test_harm_takes_a_version_back_that_waits_for_a_person_and_withdraws_the_question(database, tmp_path, monkeypatch):
    configure(tmp_path, monkeypatch, f"{SETTINGS}\n[[approvals]]\nkinds = ['canary']\n")
    open_floor(database, SHADOW)
    job.run()

    (end,) = advance(database, Floor(first=400, fails=lambda number: number % 3 == 0))

    assert end == {"rolled_back": 1}
    assert ask_approval.take("run 1") == []


def test_nobody_is_asked_about_a_version_that_was_rolled_back_by_hand(database, tmp_path, monkeypatch):
    configure(tmp_path, monkeypatch, f"{SETTINGS}\n[[approvals]]\nkinds = ['canary']\n")
    open_floor(database, SHADOW)
    job.run()
    with transaction() as tx:
        before = len(approvals.waiting(tx))

    execute(database, "SELECT rollback_task('needs', 'detect', NULL, 'I saw it fail', 'ana')")

    with transaction() as tx:
        assert (before, approvals.waiting(tx)) == (1, [])
    assert ask_approval.take("run 1") == []


def test_a_step_that_a_person_declines_ends_the_rollout(database, tmp_path, monkeypatch):
    configure(tmp_path, monkeypatch, f"{SETTINGS}\n[[approvals]]\nkinds = ['canary']\n")
    open_floor(database, SHADOW)
    job.run()
    execute(database, "SELECT answer_approval(approval, false, 'ana', 'no') FROM approvals")

    counts = moved(job.run())

    assert counts == {"rejected": 1}
    assert states(database) == {OLD: "champion", NEW: "rejected"}


def test_harm_waits_for_no_person(database, tmp_path, monkeypatch):
    configure(tmp_path, monkeypatch, f"{SETTINGS}\n[[approvals]]\nkinds = ['canary', 'champion']\n")

    (end,) = advance(database, Floor(fails=lambda number: number % 3 == 0))

    assert end == {"rolled_back": 1}


def test_without_steps_what_passes_its_gate_is_champion_at_once_as_before(emptied_database):
    passed(OLD, None, AT_ONCE)
    passed(NEW, OLD, AT_ONCE)

    assert states(emptied_database) == {OLD: "retired", NEW: "champion"}
    assert in_policy(emptied_database) == [(NEW, "champion", 1, NEW)]


def test_a_take_back_that_cannot_be_done_says_so_and_changes_nothing(database):
    advance(database, SHADOW, FIRST_STEP, SECOND_STEP)
    rewrite(database, "DELETE FROM model_rollouts WHERE version = %s AND state = 'champion'", OLD)
    open_floor(database, replace(HELD_BACK, fails=lambda number: number % 2 == 0))

    with pytest.raises(RolloutError, match="take it out by hand"):
        job.run()

    assert states(database) == {OLD: "holdback", NEW: "champion"}


def test_letting_in_again_what_waits_changes_nothing(database):
    with transaction() as tx:
        counts = publication.admit(tx, load_settings().tasks, terms())

    assert counts == {}
    assert states(database) == {OLD: "champion", NEW: "shadow"}


def look(pair: Pair, now: datetime | None = None) -> Evidence:
    with transaction() as tx:
        return read_evidence(
            tx, NEEDS, pair, terms(), window=Window(2.0, is_from_start=False), now=now or datetime.now(UTC)
        )


CANARY = Pair("canary", NEW, OLD)


def test_conversations_enter_in_order_of_start_at_their_age_as_they_were_known_then(database):
    floor = Floor(conversations=10, share=0.5, is_sold=lambda number, _: number % 2 == 0)
    open_floor(database, replace(floor, share=0.05))
    late = "UPDATE outcomes SET learnt_at = learnt_at + interval '8 days' WHERE conversation_id = %s"
    (first,) = rows(database, "SELECT conversation_id FROM conversations ORDER BY started_at LIMIT 1")
    execute(database, late, str(first["conversation_id"]))

    started = look(CANARY).started

    assert started.is_challenger.tolist() == [True] * 5 + [False] * 5
    assert started.share.tolist() == [0.05] * 10
    assert started.is_sold.tolist() == [False, False, *[True, False] * 4]


def test_a_conversation_enters_only_once_it_is_of_age(database):
    open_floor(database, Floor(conversations=10, share=0.05))
    starts = [row["started_at"] for row in rows(database, "SELECT started_at FROM conversations ORDER BY started_at")]

    evidence = look(CANARY, starts[3] + timedelta(days=7))

    assert len(evidence.started.share) == 4


def test_a_customer_counts_by_the_first_conversation_alone(database):
    open_floor(database, Floor(conversations=10, share=0.05, customer=lambda number: f"ana{number // 4}"))

    assert len(look(CANARY).started.share) == 3


def test_paired_losses_weigh_by_the_chance_of_who_acted_and_count_customers(database):
    floor = Floor(conversations=8, share=0.04, ours_p=0.9, theirs_p=0.5, customer=lambda number: f"ana{number // 2}")
    open_floor(database, floor)

    scored = look(CANARY).scored

    others = 5 * -np.log(1 - 1e-6)  # five labels that do not hold and are not named
    assert scored.ours == pytest.approx([(-np.log(0.9) + others) / 6] * 8)
    assert scored.theirs == pytest.approx([(-np.log(0.5) + others) / 6] * 8)
    assert scored.weight == pytest.approx([1 / 0.04] * 4 + [1 / 0.96] * 4)
    assert len(set(scored.cluster.tolist())) == 4


def test_labels_of_hours_that_are_not_trusted_and_open_windows_are_not_read(database):
    open_floor(database, Floor(conversations=10))
    starts = [row["started_at"] for row in rows(database, "SELECT started_at FROM conversations ORDER BY started_at")]
    execute(database, "UPDATE quality_verdicts SET state = 'held' WHERE hour = %s", starts[0])

    evidence = look(Pair("shadow", NEW, OLD), starts[8] + timedelta(days=2))

    assert len(evidence.scored.weight) == 5
    assert evidence.calls == 10


def test_what_needs_no_label_is_read_as_it_comes(database):
    open_floor(database, Floor(conversations=120, share=0.25, fails=lambda number: number in (0, 50), ours_p=0.7))
    execute(database, "UPDATE quality_verdicts SET state = 'held'")

    pulse = look(CANARY).pulse

    assert (pulse.errors.challenger.sum(), pulse.errors.champion.sum()) == (2, 0)
    assert set(pulse.errors.chance.tolist()) == {0.5}
    assert (pulse.fallbacks.challenger.tolist(), pulse.fallbacks.chance.tolist()) == ([1], [0.25])
    since = pulse.shifts["information"].since
    assert since.calls.sum() == 118
    assert since.total.sum() == pytest.approx(-0.1 * 118)


def test_scores_of_the_shadow_are_told_apart_from_those_of_conversations_that_were_drawn(database):
    open_floor(database, Floor(conversations=7, ours_p=0.9))
    open_floor(database, Floor(first=7, conversations=5, share=0.25, ours_p=0.6))

    shift = look(CANARY).pulse.shifts["information"]

    assert (shift.in_shadow.calls.sum(), shift.in_shadow.total.sum()) == (7, pytest.approx(0.1 * 7))
    assert (shift.since.calls.sum(), shift.since.total.sum()) == (5, pytest.approx(-0.2 * 5))


def test_slow_is_what_takes_longer_than_the_champion_did_in_the_week_before(database):
    open_floor(database, Floor(conversations=120))
    begun = rows(database, "SELECT at FROM predictions ORDER BY at OFFSET 220 LIMIT 1")[0]["at"]
    rewrite(database, "UPDATE model_rollouts SET since = %s WHERE state = 'shadow'", begun)
    execute(database, "UPDATE predictions SET latency_ms = 99 WHERE version = %s AND at > %s", NEW, begun)

    slow = look(Pair("shadow", NEW, OLD)).pulse.slow

    assert (slow.challenger.sum(), slow.champion.sum()) == (9, 0)
