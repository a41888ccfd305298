from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from benchmarks.holdout_answers import at_random
from benchmarks.labelled import labelled
from ml_pipeline.models.candidates import search as searching
from ml_pipeline.models.training_set import assemble
from ml_pipeline.vocabulary.dialogue import Dialogue, LateLabel, Message
from ml_pipeline.vocabulary.tasks import Mode
from tests.unit.test_models_candidate import DETECT, conversations

START = datetime(2026, 3, 1, tzinfo=UTC)
TO_COME = replace(DETECT, mode=Mode.ANTICIPATE, horizon=2)


def dialogue(labels: dict[int, tuple[str, ...]]) -> Dialogue:
    messages = tuple(
        Message(("assistant", "user")[turn % 2], f"turn {turn}", START + timedelta(minutes=turn)) for turn in range(8)
    )
    late = tuple(LateLabel("objection", held, "human", START, turn=turn) for turn, held in labels.items())
    return Dialogue("c1", messages, "completed", {}, late_labels=late)


def test_what_is_to_come_is_told_by_the_next_turns_and_never_by_this_one():
    (told,) = labelled([dialogue({1: ("price",), 3: (), 5: ("trust",), 7: ()})], TO_COME)

    assert {turn: truth.labels for turn, truth in told.truths.items()} == {1: ("trust",), 3: ("trust",), 5: ()}


def test_a_turn_without_a_label_ahead_leaves_what_is_to_come_unknown():
    (told,) = labelled([dialogue({1: (), 3: (), 7: ("price",)})], TO_COME)

    assert set(told.truths) == {5}


def test_both_sides_of_a_dialogue_are_held_out_together(monkeypatch):
    monkeypatch.setattr(searching, "STRENGTHS", (2.0,))
    once = conversations(40)
    twice = [*once, *(replace(one, conversation_id=f"{one.conversation_id}/other side") for one in once)]
    rows, learnt_from = assemble(DETECT, twice), []

    def caller(held):
        learnt_from.append(set(held.rows["customer_group"]))
        assert held.rows.groupby("customer_group")["conversation_id"].nunique().eq(2).all()
        return np.zeros(held.truth.shape)

    answered = at_random(rows, caller, reads_sentences=False)

    assert len(answered.rows.rows) == len(rows.rows)
    assert not set.intersection(*learnt_from)
