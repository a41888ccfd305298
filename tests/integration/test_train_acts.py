"""Taggers are trained on what people labelled, and read only once they surely read better."""

import pytest
from msgspec.structs import replace

from ml_pipeline.acts import store
from ml_pipeline.acts.document import RULES_ONLY, rules_only
from ml_pipeline.database.engine import transaction
from ml_pipeline.errors import SourceError
from ml_pipeline.jobs import ingest_events, tag_acts, train_acts
from ml_pipeline.vocabulary.verdicts import GateVerdict
from tests.integration.events import after, append, label, rows, trust_all, turn

SLANG = {("price",): "that would break the bank", ("trust",): "smells fishy", (): "go on then"}


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    monkeypatch.setenv("ML_PIPELINE_GATE_MIN_POSITIVES", "10")


def calls(numbers: range, *, source: str = "human"):
    """Return calls in slang, one thing said in each, labelled for the objections in it."""
    events = []
    for number in numbers:
        name, start = f"call {number}", number * 1800.0
        kind = list(SLANG)[number % 3]
        described = {"language": "en"}
        events += [
            turn(name, 0, "And now?", role="assistant", at=after(start), conversation=described),
            turn(name, 1, f"well {SLANG[kind]}", at=after(start + 10), conversation=described),
            label(name, "objection", kind, number=1, source=source, at=after(start + 60)),
        ]
    return events


def ingested(database, events) -> None:
    append(database, events)
    ingest_events.run()
    trust_all(database)


def current() -> str:
    with transaction() as tx:
        return store.current_tagger(tx).version


def test_a_tagger_reads_from_when_it_reads_better_and_one_that_does_not_is_kept(database):
    ingested(database, calls(range(120)))

    better = train_acts.run()
    tag_acts.run()
    equal = train_acts.run()

    assert (better["version"], better["verdict"]) == ("acts/1", "PROMOTE")
    assert "surely better" in better["reason"]
    found = rows(
        database, "SELECT act, source, tagger, count(*) AS n FROM acts GROUP BY act, source, tagger ORDER BY act"
    )
    assert [tuple(row.values()) for row in found] == [
        ("objection_price", "model", "acts/1", 40),
        ("objection_trust", "model", "acts/1", 40),
        ("other", "rule", "acts/1", 40),
    ]
    assert (equal["version"], equal["verdict"], current()) == ("acts/2", "HOLD", "acts/1")
    assert "not surely better" in equal["reason"]
    kept = rows(database, "SELECT version, digest FROM act_taggers ORDER BY made_at")
    decided = rows(database, "SELECT version, evidence ->> 'digest' AS digest FROM decisions ORDER BY decided_at")
    assert [row["version"] for row in kept] == ["acts/1", "acts/2"]
    assert decided == kept


@pytest.mark.parametrize("source", ["agent", "derived"])
def test_nobody_else_s_labels_teach_acts(database, source):
    ingested(database, calls(range(120), source=source))

    done = train_acts.run()

    assert done["verdict"] == "NOT ENOUGH DATA"
    assert current() == RULES_ONLY


def test_without_labels_the_rules_read_and_it_is_said_why(database):
    done = train_acts.run()

    assert done["verdict"] == "NOT ENOUGH DATA"
    assert "objection: no customer turn of a trusted hour has a known truth" in done["reason"]
    assert rows(database, "SELECT FROM act_taggers") == []


def test_a_folder_that_holds_no_annotated_set_is_refused(database, tmp_path):
    with pytest.raises(SourceError, match=r"full_dialog\.csv"):
        train_acts.run(tmp_path)


def test_a_tagger_of_another_release_is_replaced_by_one_that_beats_the_rules(database):
    ingested(database, calls(range(120)))
    with transaction() as tx:
        store.save(tx, replace(rules_only(), version="acts/1"), GateVerdict.PROMOTE, "it read better", {})
    rows(database, "UPDATE act_taggers SET document = 'broken'")

    done = train_acts.run()

    assert (done["version"], done["verdict"], current()) == ("acts/2", "PROMOTE", "acts/2")
