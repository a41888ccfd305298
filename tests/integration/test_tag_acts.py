"""From turns in the log to acts, and from acts to labels in the log."""

import threading

import pytest
from msgspec.structs import replace

from ml_pipeline.acts import store
from ml_pipeline.acts.derived import WRITER
from ml_pipeline.acts.document import RULES_ONLY, rules_only
from ml_pipeline.database.engine import transaction
from ml_pipeline.jobs import ingest_events, roll_up_metrics, tag_acts
from ml_pipeline.vocabulary.verdicts import GateVerdict
from tests.integration.events import (
    after,
    append,
    conversation_id,
    event,
    label,
    outcome,
    prediction,
    rows,
    trust_all,
    turn,
)

ACTS = "SELECT turn, act, source, probability, tagger FROM acts ORDER BY turn, act"
LABELS = "SELECT turn, task, labels FROM labels WHERE source = 'derived' ORDER BY turn, task"
PRICE = "That is too expensive for me."


def call(name: str, *said: str, hours: float = 0, language: str = "en"):
    """Return a call: the agent asks before each thing the customer says."""
    events = []
    for place, text in enumerate(said):
        at = hours * 3600 + place * 20
        described = {"language": language}
        asked = turn(name, 2 * place, "And now?", role="assistant", at=after(at), conversation=described)
        events += [asked, turn(name, 2 * place + 1, text, at=after(at + 10), conversation=described)]
    return events


def ingested(database, events) -> None:
    append(database, events)
    ingest_events.run()
    trust_all(database)


def tagged(database, events) -> dict[str, int]:
    ingested(database, events)
    return tag_acts.run()


def acts(database) -> list[tuple[int, str, str]]:
    return [(row["turn"], row["act"], row["source"]) for row in rows(database, ACTS)]


def derived(database) -> list[tuple[int, str, tuple[str, ...]]]:
    ingest_events.run()
    return [(row["turn"], row["task"], tuple(row["labels"])) for row in rows(database, LABELS)]


def promoted(database, version: str = "acts/1") -> None:
    """Make a tagger current that reads like the rules and has another name."""
    with transaction() as tx:
        store.save(tx, replace(rules_only(), version=version), GateVerdict.PROMOTE, "it reads better", {})


def test_each_customer_turn_gets_its_acts_and_labels_of_both_tasks(database):
    counts = tagged(database, call("c", PRICE, "Good night.", "Does it include the app?"))

    assert acts(database) == [
        (1, "objection_price", "rule"),
        (3, "other", "rule"),
        (5, "need_features", "rule"),
        (5, "question", "rule"),
    ]
    assert derived(database) == [
        (1, "needs", ()),
        (1, "objection", ("price",)),
        (3, "needs", ()),
        (3, "objection", ()),
        (5, "needs", ("features",)),
        (5, "objection", ()),
    ]
    assert (counts["turns"], counts["acts"], counts["labels"], counts["untrusted_hours"]) == (3, 4, 6, 0)


def test_each_row_names_the_turn_and_the_tagger(database):
    said = call("c", PRICE)

    tagged(database, said)

    (row,) = rows(database, "SELECT event_id::text, turn_event_id::text, tagger, at FROM acts")
    assert row == {"event_id": said[1]["id"], "turn_event_id": said[1]["id"], "tagger": RULES_ONLY, "at": after(10)}


def test_a_second_run_changes_nothing(database):
    tagged(database, call("c", PRICE))
    before = rows(database, ACTS), derived(database)
    trust_all(database)

    counts = tag_acts.run()

    assert (counts["turns"], counts["labels"]) == (0, 0)
    assert (rows(database, ACTS), derived(database)) == before


def test_only_trusted_hours_are_read_and_the_others_wait(database):
    ingested(database, [*call("now", PRICE), *call("later", PRICE, hours=3)])
    rows(database, "UPDATE quality_verdicts SET state = 'held' WHERE hour = %(hour)s", hour=after(hours=3))

    first = tag_acts.run()
    trust_all(database)
    second = tag_acts.run()

    assert (first["turns"], first["untrusted_hours"], second["turns"]) == (1, 1, 1)


def test_late_turns_are_read_alone(database):
    tagged(database, call("c", PRICE))

    counts = tagged(database, call("d", "No thanks."))

    assert counts["turns"] == 1


@pytest.mark.parametrize("seconds", [10, 20])
def test_a_turn_that_is_told_otherwise_is_read_again_and_its_label_superseded(database, seconds):
    late = turn("c", 1, "Yes, go on.", at=after(seconds), conversation={"language": "en"})
    early = turn("c", 1, PRICE, at=after(10), conversation={"language": "en"})
    early["id"], late["id"] = sorted((early["id"], late["id"]))
    tagged(database, [late])

    tagged(database, [early])

    assert acts(database) == [(1, "objection_price", "rule")]
    ingest_events.run()
    (newest,) = rows(
        database,
        "SELECT labels, supersedes IN (SELECT event_id FROM labels) AS supersedes FROM labels"
        " WHERE task = 'objection' AND supersedes IS NOT NULL",
    )
    assert newest == {"labels": ["price"], "supersedes": True}


def test_derived_labels_are_counted_under_a_writer_of_their_own_without_gaps(database):
    tagged(database, call("c", PRICE))
    tagged(database, call("d", PRICE, "No thanks."))

    (writer,) = rows(database, "SELECT * FROM capture_writers WHERE writer = %(writer)s", writer=str(WRITER))
    assert writer["stored"] == writer["shipped_sequence"] == writer["accepted_sequence"] == 6
    assert writer["duplicate"] + writer["rejected"] + writer["quarantined"] + writer["dropped"] == 0
    (log,) = rows(
        database,
        "SELECT count(DISTINCT sequence) AS n, min(sequence) AS low, max(sequence) AS high FROM ml_tracking_events"
        " WHERE writer = %(writer)s",
        writer=writer["writer"],
    )
    assert log == {"n": 6, "low": 1, "high": 6}


def test_labels_carry_the_source_of_their_conversation_and_the_time_of_their_turn(database):
    replayed = [each | {"source": "persuasionforgood"} for each in call("c", PRICE)]

    tagged(database, replayed)
    ingest_events.run()

    found = rows(database, "SELECT DISTINCT source, timestamp FROM ml_tracking_events WHERE event_type = 'label'")
    learnt = rows(database, "SELECT DISTINCT at, learnt_at, source_rank FROM labels")
    assert found == [{"source": "persuasionforgood", "timestamp": after(10)}]
    assert learnt == [{"at": after(10), "learnt_at": after(10), "source_rank": 4}]


def test_what_the_agent_tells_goes_before_the_tagger(database):
    told = event("c", "objection_detected", after(12), {"turn": 1, "type": "trust", "confidence": 0.8})

    tagged(database, [*call("c", PRICE), told])

    found = rows(database, "SELECT act, source, probability, event_id::text FROM acts ORDER BY act")
    assert [(row["act"], row["source"], row["probability"]) for row in found] == [
        ("objection_price", "rule", 1.0),
        ("objection_trust", "agent", 0.8),
    ]
    assert found[1]["event_id"] == told["id"]


def test_what_the_agent_tells_later_reaches_a_turn_that_was_read(database):
    tagged(database, call("c", PRICE, "Good night."))

    counts = tagged(database, [event("c", "objection_detected", after(33), {"objection_type": "trust"})])

    assert counts["turns"] == 1
    assert acts(database) == [(1, "objection_price", "rule"), (3, "objection_trust", "agent")]
    ingest_events.run()
    current = rows(database, "SELECT turn, labels FROM current_labels WHERE task = 'objection' ORDER BY turn")
    assert [(row["turn"], row["labels"]) for row in current] == [(1, ["price"]), (3, ["trust"])]


def test_an_event_that_was_heeded_has_nothing_read_again(database):
    told = event("c", "objection_detected", after(12), {"turn": 1, "type": "trust"})
    tagged(database, [*call("c", PRICE), told])

    counts = tagged(database, call("d", PRICE))

    assert counts["turns"] == 1


def test_a_language_the_tagger_does_not_know_is_left_alone(database):
    counts = tagged(database, call("c", "C'est trop cher pour moi.", language="fr"))

    assert (counts["turns"], counts["unread"], counts["labels"]) == (0, 1, 0)
    assert acts(database) == []


def test_another_tagger_reads_new_turns_and_old_ones_only_when_asked(database):
    tagged(database, [*call("a", PRICE), *call("b", PRICE, hours=30)])
    promoted(database)

    new = tagged(database, call("c", PRICE, hours=31))
    by_new = rows(database, "SELECT tagger, count(*) AS n FROM acts GROUP BY tagger ORDER BY tagger")
    again = tag_acts.run(retag=True)
    after_all = rows(database, "SELECT tagger, count(*) AS n FROM acts GROUP BY tagger ORDER BY tagger")

    assert (new["turns"], again["turns"]) == (1, 2)
    assert by_new == [{"tagger": "acts/1", "n": 1}, {"tagger": RULES_ONLY, "n": 2}]
    assert after_all == [{"tagger": "acts/1", "n": 3}]


def test_retagging_ends_where_the_new_tagger_cannot_read(database):
    tagged(database, call("c", PRICE))
    rows(database, "UPDATE conversations SET language = 'fr'")
    promoted(database)

    counts = tag_acts.run(retag=True)

    assert (counts["turns"], counts["unread"]) == (0, 1)


def test_a_run_killed_half_way_is_made_good_by_the_next(database, monkeypatch):
    ingested(database, [*call("a", PRICE), *call("b", PRICE, hours=30), *call("c", PRICE, hours=60)])
    append_lines, calls = store.append, iter((0, 1, 2))

    def dies_on_the_second_day(tx, lines):
        stored = append_lines(tx, lines)
        if next(calls) == 1:
            raise KeyboardInterrupt
        return stored

    monkeypatch.setattr(store, "append", dies_on_the_second_day)
    with pytest.raises(KeyboardInterrupt):
        tag_acts.run()
    half = len(acts(database))
    monkeypatch.setattr(store, "append", append_lines)

    counts = tag_acts.run()

    assert (half, counts["turns"], len(acts(database)), len(derived(database))) == (1, 2, 3, 6)


def test_two_runs_at_once_read_each_turn_once(database):
    ingested(database, [each for day in range(4) for each in call(f"c{day}", PRICE, PRICE, hours=day * 24)])
    results: list[dict[str, int]] = []

    runs = [threading.Thread(target=lambda: results.append(tag_acts.run())) for _ in range(2)]
    for each in runs:
        each.start()
    for each in runs:
        each.join()

    assert sum(result["turns"] for result in results) == 8
    assert sum(result["labels"] for result in results) == 16


def test_rollups_are_told_of_the_hour_of_the_turn_and_of_its_conversation(database):
    long_call = [*call("c", PRICE), turn("c", 9, "No thanks.", at=after(hours=1.5))]
    ingested(database, long_call)
    rows(database, "DELETE FROM changed_hours WHERE consumer = 'rollups'")

    tag_acts.run()

    told = rows(database, "SELECT consumer, hour FROM changed_hours WHERE table_name = 'acts' ORDER BY hour")
    assert told == [{"consumer": "rollups", "hour": after()}, {"consumer": "rollups", "hour": after(hours=1)}]


def test_other_changes_of_an_hour_read_nothing(database):
    tagged(database, call("c", PRICE))

    counts = tagged(database, [label("c", "objection", ["trust"], number=1), outcome("c")])

    assert counts["hours"] > 0
    assert counts["turns"] == 0


TRUTHS = """
    SELECT t.mode, t.turn, t.labels, t.label_source
    FROM conversation_truths(ARRAY[%(id)s]::uuid[], '-infinity', 'infinity',
                             '[{"name": "objection", "scope": "turn", "horizon": 1}]') AS t
    ORDER BY mode, turn
"""


def truths(database, name: str = "c") -> list[tuple[str, int, list[str], str]]:
    found = rows(database, TRUTHS, id=conversation_id(name))
    return [(row["mode"], row["turn"], row["labels"], row["label_source"]) for row in found]


def test_a_derived_label_is_true_of_earlier_predictions_and_never_of_its_own_turn(database):
    tagged(database, [*call("c", "Good night.", PRICE), prediction("c", 1), outcome("c", at=after(100))])
    ingest_events.run()

    assert truths(database) == [("anticipate", 0, [], "derived")] + [
        ("anticipate", turn_number, ["price"], "derived") for turn_number in (1, 2)
    ]


def test_a_derived_label_never_outranks_what_a_person_said(database):
    said = [label("c", "objection", ["trust"], number=number) for number in (1, 3)]
    ingested(database, [*call("c", "Good night.", PRICE), *said, outcome("c", at=after(100))])
    before = truths(database)

    tag_acts.run()
    ingest_events.run()

    assert truths(database) == before
    assert {source for *_, source in before} == {"human"}


def test_a_turn_too_old_for_the_log_is_left_as_it_is(database):
    ingested(database, call("c", PRICE))
    rows(database, "UPDATE log_limits SET retention = '5 days'")

    counts = tag_acts.run()

    assert (counts["turns"], counts["labels"]) == (0, 0)
    assert rows(database, "SELECT FROM rejected_events") == []


def test_metrics_tell_which_share_of_their_truths_was_derived(database):
    said = label("a", "objection", ["price"], number=3)
    answers = [prediction(name, 1) for name in ("a", "b", "c", "d")]
    calls = [each for name in ("a", "b", "c", "d") for each in call(name, "Good night.", PRICE)]
    ends = [outcome(name, at=after(100)) for name in ("a", "b", "c", "d")]
    tagged(database, [*calls, said, *answers, *ends])
    ingest_events.run()
    trust_all(database)

    roll_up_metrics.run()

    shares = rows(
        database,
        "SELECT slice, value FROM metric_rollups WHERE metric = 'label_source_share' AND task = 'objection'"
        " AND hour = %(hour)s ORDER BY slice",
        hour=after(),
    )
    assert {row["slice"].partition("=")[2]: row["value"] for row in shares if row["slice"]} == {
        "derived": 0.75,
        "human": 0.25,
    }
