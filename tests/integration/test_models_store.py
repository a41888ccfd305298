"""What training reads from facts, and that it is what the agent saw."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.champions import crown
from ml_pipeline.database.engine import transaction
from ml_pipeline.jobs import ingest_events
from ml_pipeline.models import store
from ml_pipeline.models.collecting import everything
from ml_pipeline.models.opponents import caller, champion
from ml_pipeline.models.store import Champion
from ml_pipeline.models.training_set import TrainingSet, assemble
from ml_pipeline.online.predicting.bundle import LinearBundle, Sample, ScaledBlock, encode
from ml_pipeline.online.predicting.features import REVISION
from ml_pipeline.online.service import MLPipelineService
from ml_pipeline.samples.clock import open_clock
from ml_pipeline.samples.replay import Plan, replay
from ml_pipeline.samples.sources import open_source
from ml_pipeline.simulation.floor import simulated_source
from ml_pipeline.stack.settings_file import write_settings
from ml_pipeline.vocabulary.dialogue import Source
from ml_pipeline.vocabulary.tasks import CONVERSION, NEEDS, OBJECTION, Task
from tests.conftest import Database, run_as_owner
from tests.integration.events import Event, after, append, label, outcome, prediction, turn


def learn(database: Database, events: list[Event]) -> None:
    append(database, events)
    ingest_events.run()
    run_as_owner(database.owner_dsn, "UPDATE quality_verdicts SET state = 'trusted'")


def read(task: Task) -> TrainingSet:
    with transaction() as tx:
        return assemble(task, store.labelled_conversations(tx, task, everything(tx)))


def talk(name: str = "c1", start: float = 0) -> list[Event]:
    """Return three exchanges: the customer's turns are 1, 3 and 5."""
    return [
        turn(name, number, f"words {number}", role=("assistant", "user")[number % 2], at=after(start + number * 10))
        for number in range(6)
    ]


def test_the_outcome_is_the_truth_of_every_turn_of_a_sale(database):
    learn(database, [*talk(), outcome("c1", "converted"), *talk("c2", 50_000), outcome("c2", at=after(51_000))])

    rows = read(CONVERSION)

    assert [turn for _, turn in rows.keys] == [1, 3, 5, 1, 3, 5]
    assert rows.truth[:, 0].tolist() == [True] * 3 + [False] * 3
    assert rows.rows["history"].tolist()[:3] == ["", "words 1", "words 1 words 3"]


def test_a_later_outcome_takes_the_sale_back(database):
    learn(
        database,
        [*talk(), outcome("c1", "converted"), outcome("c1", "converted", conversion_value=0, at=after(90_000))],
    )

    assert not read(CONVERSION).truth.any()


def test_an_anticipated_truth_lies_in_turns_after_the_row(database):
    labels = [label("c1", "objection", names, number=number) for number, names in ((1, []), (3, ["price"]), (5, []))]
    learn(database, [*talk(), outcome("c1"), *labels])

    rows = read(OBJECTION)

    assert rows.keys[:2] == [(rows.conversation_ids[0], 1), (rows.conversation_ids[0], 3)]
    assert rows.truth[:, 0].tolist() == [True, False]


def test_the_best_source_says_what_is_true_and_is_kept(database):
    said = [
        label("c1", "needs", ["pricing"], number=1, source="derived", at=after(99_000)),
        label("c1", "needs", ["support"], number=1, source="human"),
    ]
    learn(database, [*talk(), *said])

    rows = read(NEEDS)

    assert rows.rows["label_source"].tolist() == ["human"]
    assert rows.truth[0].tolist() == [name == "support" for name in NEEDS.labels]


def test_context_is_that_of_the_prediction_made_at_the_turn(database):
    late = prediction("c1", 5, context={"phase": "closing", "language": "es"}, at=after(50))
    learn(database, [*talk(), late, outcome("c1")])

    rows = read(CONVERSION)

    assert rows.rows["phase"].tolist() == ["", "", "closing"]
    assert rows.rows["language"].tolist() == ["", "", "es"]


def test_only_the_outcome_s_own_untrusted_hour_is_enough_to_wait(database):
    learn(database, [*talk(), outcome("c1", at=after(hours=7))])
    run_as_owner(
        database.owner_dsn,
        "UPDATE quality_verdicts SET state = 'held' WHERE hour = (SELECT max(hour) FROM quality_verdicts)",
    )

    rows = read(CONVERSION)

    assert rows.keys == []
    assert rows.left_out == {"the hour its truth came from is not trusted": 3}


def test_the_caller_answers_where_it_did_and_nowhere_else(database):
    own = prediction("c1", 3, "conversion", probabilities={"sold": 0.75}, at=after(30))
    learn(database, [*talk(), own, outcome("c1")])
    rows = read(CONVERSION)

    with transaction() as tx:
        answers = caller(tx, rows).probabilities[:, 0]

    assert np.isnan(answers).tolist() == [True, False, True]
    assert answers[1] == 0.75


def serving(revision: int) -> Champion:
    numbers = ScaledBlock(["turn"], [0.0], [1.0])
    row: dict[str, str | float] = {"turn": 0.0}
    bundle = LinearBundle(
        task="conversion",
        mode="anticipate",
        version="conversion.anticipate/7",
        feature_revision=revision,
        labels=["sold"],
        thresholds={"sold": 0.5},
        blocks=[numbers],
        coefficients={"sold": [0.0]},
        intercepts={"sold": 0.0},
        calibration={},
        samples=[Sample(row, {"sold": 0.5})],
    )
    digest, content = encode(bundle)
    return Champion("conversion.anticipate/7", digest, content, None)


def test_a_champion_is_heard_only_on_conversations_later_than_its_training(database):
    learn(database, [*talk(), outcome("c1"), *talk("c2", 50_000), outcome("c2", at=after(51_000))])
    rows = read(CONVERSION)
    known = serving(REVISION)
    cut_off = Champion(known.version, known.digest, known.content, after(40_000))

    with transaction() as tx:
        answers = champion(tx, rows, cut_off).probabilities[:, 0]

    assert np.isnan(answers).tolist() == [True] * 3 + [False] * 3
    assert answers[3:].tolist() == [0.5] * 3


def test_a_champion_of_other_features_is_heard_by_what_it_answered_then(database):
    said = prediction(
        "c1", 5, "conversion", version="conversion.anticipate/7", probabilities={"sold": 0.9}, at=after(50)
    )
    learn(database, [*talk(), said, outcome("c1")])
    rows = read(CONVERSION)

    with transaction() as tx:
        answers = champion(tx, rows, serving(REVISION + 1)).probabilities[:, 0]

    assert np.isnan(answers).tolist() == [True, True, False]
    assert answers[2] == 0.9


def promote(served: Champion) -> None:
    with transaction() as tx:
        crown(tx, CONVERSION, served.version, (served.digest, served.content))


def test_the_latest_decision_of_a_task_is_told(database):
    with transaction() as tx:
        nothing = store.latest_decisions(tx)
    promote(serving(REVISION))

    with transaction() as tx:
        found = store.latest_decisions(tx)

    assert nothing == {}
    assert set(found) == {"conversion"}
    assert found["conversion"] == found["conversion"] | {
        "version": "conversion.anticipate/7",
        "verdict": "PROMOTE",
        "reason": "unproven",
        "metrics": {},
        "baselines": {},
        "split": {},
    }


def floor() -> Source:
    """Return calls in Spanish and English with phases and customers; in one the customer tells who he is."""
    source = simulated_source(5, 25)
    telling, *others = source.dialogues
    said = [replace(one, content=f"{one.content} {TOLD}") if one.role == "user" else one for one in telling.messages]
    return replace(source, dialogues=(replace(telling, messages=tuple(said)), *others))


TOLD = "Soy Ana Belén Quintero, mi correo es ana.quintero@example.com y mi teléfono el +34 612 345 678."


@pytest.mark.parametrize("name", ["persuasionforgood", "floor"])
async def test_training_rows_are_letter_by_letter_what_the_online_module_predicted_from(
    name: str, database: Database, persuasion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source = open_source(persuasion) if name == "persuasionforgood" else floor()
    values = {"spool": str(tmp_path / "spool"), "cache": str(tmp_path / "cache"), "shipper": "thread"}
    write_settings(tmp_path / "settings.toml", {**values, "customer_key": "secret"}, source)
    monkeypatch.setenv("ML_PIPELINE_SETTINGS", str(tmp_path / "settings.toml"))
    promote(serving(REVISION))
    clock = open_clock(source)
    async with MLPipelineService(clock=clock, source=source.name) as service:
        while not (await service.get_ml_pipeline_metrics())["model_updates"]["models"]:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.05)
        await replay(source, service, clock, plan=Plan(limit=25))
        for dialogue in source.dialogues[:25:5]:
            wrong = await service.record_feedback(dialogue.conversation_id, "conversion", ["sold"], "crm")
            await service.record_feedback(dialogue.conversation_id, "conversion", [], "crm", supersedes=wrong)
        assert await service.drain(60)
    learn(database, [])

    rows = read(CONVERSION)

    stored = {
        (row["conversation_id"], row["turn"]): row["feature_digest"]
        for row in selected(
            "SELECT conversation_id::text, turn, feature_digest FROM predictions WHERE version <> 'caller'"
        )
    }
    assert len(rows.conversation_ids) == 25
    assert rows.left_out == {}
    assert dict(zip(rows.keys, rows.rows["feature_digest"], strict=True)) == stored
    assert not rows.rows["current"].str.contains("Quintero|example|612").any()
    if name == "floor":
        assert rows.rows["current"].str.contains("EMAIL").any()
        assert set(rows.rows["language"]) == {"", "es", "en"}  # at first it is not known
        assert rows.rows["phase"].nunique() > 3


def selected(statement: str) -> list[dict[str, Any]]:
    with transaction() as tx, tx.cursor() as cursor:
        cursor.execute(statement)
        return [dict(row) for row in cursor.fetchall()]


def test_derived_labels_teach_only_where_they_are_asked_for(database):
    said = [label("c2", "objection", ["price"], number=number, source="derived") for number in (1, 3, 5)]
    told = [label("c1", "objection", ["price"], number=number) for number in (1, 3, 5)]
    ends = [outcome("c1", at=after(100)), outcome("c2", at=after(50_100))]
    learn(database, [*talk(), *talk("c2", 50_000), *said, *told, *ends])

    with transaction() as tx:
        apart = list(store.labelled_conversations(tx, OBJECTION, everything(tx)))
        together = list(store.labelled_conversations(tx, OBJECTION, replace(everything(tx), with_derived=True)))

    assert [{truth.source for truth in each.truths.values()} for each in apart] == [{"human"}]
    assert [{truth.source for truth in each.truths.values()} for each in together] == [{"human"}, {"derived"}]
