from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO

import numpy as np
import pandas as pd
import pytest

from ml_pipeline.errors import TrainingError
from ml_pipeline.models.conversations import LabelledConversation, Spoken, Truth
from ml_pipeline.models.split import split_at_random, split_in_time
from ml_pipeline.models.training_set import TrainingSet, assemble, frozen_digest, shortage, thaw
from ml_pipeline.online.predicting.features import feature_digest, feature_row
from ml_pipeline.vocabulary.tasks import CONVERSION, Mode, Task, TaskKind

DETECT = Task("objection", TaskKind.MULTI_LABEL, ("price", "trust"), Mode.DETECT, "turn", "macro_ap")
START = datetime(2026, 3, 1, 9, tzinfo=UTC)


def conversation(
    number: int, truths: Mapping[int | None, tuple[str, ...]], said: tuple[str, ...] = (), **fields: object
) -> LabelledConversation:
    """Return a conversation: agent and customer take turns, the customer's are 1, 3, 5."""
    words = said or ("Hello.", "How much is it?", "Forty.", "Too expensive.", "Sure?", "I do not trust you.")
    spoken = tuple(
        Spoken(turn, "assistant" if turn % 2 == 0 else "user", content, context={"phase": "closing"})
        for turn, content in enumerate(words)
    )
    known = {turn: Truth(labels, "human", START) for turn, labels in truths.items()}
    return LabelledConversation(
        f"c{number:03}",
        f"customer{number:03}",
        START + timedelta(hours=number),
        spoken,
        known,
        **fields,  # type: ignore[arg-type]
    )


def frozen_and_read_back(rows: TrainingSet) -> pd.DataFrame:
    text = StringIO(rows.frozen().to_csv(index=False))
    return pd.read_csv(
        text, parse_dates=["started_at", "learnt_at"], float_precision="round_trip", keep_default_na=False
    )


def test_a_row_is_a_customer_turn_whose_truth_is_known():
    rows = assemble(DETECT, [conversation(1, {1: (), 3: ("price",), 4: ("trust",)})])

    assert rows.keys == [("c001", 1), ("c001", 3)]
    assert rows.truth.tolist() == [[False, False], [True, False]]
    assert rows.rows["current"].tolist() == ["How much is it?", "Too expensive."]


def test_a_row_is_what_the_feature_function_makes_of_the_turns_so_far():
    rows = assemble(DETECT, [conversation(1, {3: ("price",)})])

    online = feature_row(
        [("assistant", "Hello."), ("user", "How much is it?"), ("assistant", "Forty."), ("user", "Too expensive.")],
        {"phase": "closing"},
    )
    assert rows.rows["feature_digest"].tolist() == [feature_digest(online)]


def test_nothing_said_later_can_reach_a_row():
    words = ("Hello.", "How much is it?", "Forty.", "Too expensive.")

    short = assemble(DETECT, [conversation(1, {1: ()}, words)])
    longer = assemble(DETECT, [conversation(1, {1: ()}, (*words, "Sure?", "I BUY IT, SOLD"))])

    assert short.digest == longer.digest


def test_one_truth_of_a_conversation_holds_at_each_turn_and_weighs_one_in_all():
    rows = assemble(CONVERSION, [conversation(1, {None: ("sold",)}), conversation(2, {None: ()})])

    assert rows.truth[:, 0].tolist() == [True] * 3 + [False] * 3
    assert rows.weights.tolist() == pytest.approx([1 / 3] * 6)
    assert rows.cases().tolist() == [[True], [False]]


def test_turns_that_cannot_be_trusted_are_left_out_and_counted():
    held = conversation(1, {1: (), 3: ()})
    held = replace(held, spoken=(*held.spoken[:3], replace(held.spoken[3], is_trusted=False), *held.spoken[4:]))
    gap = conversation(2, {1: (), 3: ()})
    gap = replace(gap, spoken=gap.spoken[:2] + gap.spoken[3:])
    other = conversation(3, {1: ()})
    other = replace(other, spoken=(other.spoken[0], replace(other.spoken[1], stored_digest="0" * 16)))
    late = conversation(4, {1: ()}, is_truth_trusted=False)

    rows = assemble(DETECT, [held, gap, other, late])

    assert rows.keys == [("c001", 1), ("c002", 1)]
    assert rows.left_out == {
        "its hour is not trusted": 1,
        "an earlier turn is missing": 1,
        "its features differ from those stored with its prediction": 1,
        "the hour its truth came from is not trusted": 1,
    }


def test_a_label_the_task_does_not_have_is_counted_and_learnt_as_none():
    rows = assemble(DETECT, [conversation(1, {1: ("budget",), 3: ("price", "budget")})])

    assert rows.unknown_labels == {"budget": 2}
    assert rows.truth.tolist() == [[False, False], [True, False]]


def test_the_oldest_train_and_the_newest_judge_and_nobody_does_both():
    rows = assemble(DETECT, [conversation(number, {1: (), 3: ()}) for number in reversed(range(40))])

    spans = {part: rows.part(part).rows["started_at"] for part in ("train", "calibration", "gate")}
    assert [len(set(rows.part(part).conversation_ids)) for part in spans] == [24, 6, 10]
    assert spans["train"].max() < spans["calibration"].min() <= spans["calibration"].max() < spans["gate"].min()
    assert rows.rows.groupby("conversation_id")["part"].nunique().max() == 1


def test_derived_labels_train_and_neither_calibrate_nor_judge():
    derived: dict[int | None, Truth] = {1: Truth(("price",), "derived", START)}

    rows = assemble(DETECT, [replace(conversation(number, {}), truths=derived) for number in range(20)])

    assert set(rows.rows["part"]) == {"train"}
    assert rows.left_out == {"its label is derived and may not judge": 8}


def test_a_random_split_keeps_a_customer_together_and_repeats():
    groups = [f"g{place // 3}" for place in range(90)]

    parts = split_at_random(groups, seed=5)

    assert all(len({str(part) for part in parts[place : place + 3]}) == 1 for place in range(0, 90, 3))
    assert list(parts) == list(split_at_random(groups, seed=5))
    assert list(parts) != list(split_in_time(list(range(90))))


def test_the_digest_names_the_rows_whatever_order_they_came_in():
    several = [conversation(number, {1: (), 3: ("price",)}) for number in range(5)]
    relabelled = [*several[:4], conversation(4, {1: (), 3: ("trust",)})]

    assert assemble(DETECT, several).digest == assemble(DETECT, several[::-1]).digest
    assert assemble(DETECT, several).digest != assemble(DETECT, relabelled).digest


def test_frozen_rows_hold_no_word_and_survive_being_written_down():
    rows = assemble(CONVERSION, [conversation(number, {None: ("sold",)}) for number in range(5)])

    read = frozen_and_read_back(rows)

    assert frozen_digest(read) == rows.digest
    assert "expensive" not in read.to_csv()


def test_frozen_rows_come_back_with_the_same_features_and_truth():
    several = [conversation(number, {1: (), 3: ("price",)}) for number in range(5)]
    rows = assemble(DETECT, several)

    again = thaw(DETECT, frozen_and_read_back(rows), several)

    assert again.rows["current"].tolist() == rows.rows["current"].tolist()
    assert again.truth.tolist() == rows.truth.tolist()
    assert again.digest == rows.digest


@pytest.mark.parametrize("change", ["erased", "rewritten"])
def test_facts_that_changed_since_stop_the_training(change):
    several = [conversation(number, {1: (), 3: ("price",)}) for number in range(5)]
    frozen = frozen_and_read_back(assemble(DETECT, several))
    facts = several[:4] if change == "erased" else [*several[:4], conversation(4, {}, ("Hi.", "What?", "No.", "So."))]

    with pytest.raises(TrainingError, match=r"2 of 10 frozen rows .* conversation c004, turn 1"):
        thaw(DETECT, frozen, facts)


def labelled(count: int, every: int) -> TrainingSet:
    return assemble(DETECT, [conversation(n, {3: ("price",) if n % every == 0 else ()}) for n in range(count)])


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (assemble(DETECT, []), "no customer turn of a trusted hour has a known truth for objection"),
        (labelled(12, 2), "12 conversations with a known truth, 40 are needed"),
        (
            labelled(60, 1),
            "no label has 5 examples of either class in the training part: price 36 of 36, trust 0 of 36",
        ),
        (labelled(60, 2), ""),
    ],
    ids=["nothing", "few", "one class", "enough"],
)
def test_what_is_missing_for_training_is_said_in_words(rows, reason):
    assert shortage(rows) == reason


def test_blocks_are_clustered_by_customer():
    first, second = (replace(conversation(n, {1: (), 3: ()}), customer_group="same") for n in (1, 2))
    rows = assemble(DETECT, [first, second, conversation(3, {1: ()})])

    assert np.unique(rows.block().clusters, return_counts=True)[1].tolist() == [1, 4]
