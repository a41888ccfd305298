import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.errors import SourceError
from ml_pipeline.samples.casino import STRATEGIES, other_side
from ml_pipeline.samples.sources import open_source
from ml_pipeline.vocabulary.dialogue import Source
from tests.conftest import real_data

ME, YOU = "mturk_agent_1", "mturk_agent_2"


def person(high: str = "Water", points: float = 20, satisfaction: str = "Slightly satisfied") -> dict[str, Any]:
    return {
        "value2issue": {"High": high, "Medium": "Food", "Low": "Firewood"},
        "outcomes": {"points_scored": points, "satisfaction": satisfaction},
        "demographics": {"age": 36},
    }


def talk(number: int = 1, **changed: Any) -> dict[str, Any]:
    lines = [(ME, "Hello!"), (YOU, "I need water."), (ME, "Take it."), (YOU, "Thank you"), (YOU, "Submit-Deal")]
    return {
        "dialogue_id": number,
        "chat_logs": [{"id": who, "text": text, "task_data": {}} for who, text in [*lines, (ME, "Accept-Deal")]],
        "participant_info": {ME: person(points=19), YOU: person()},
        "annotations": [],
        **changed,
    }


def write(folder: Path, train: Any, valid: Any = (), test: Any = ()) -> Path:
    for name, entries in (("train", train), ("valid", valid), ("test", test)):
        document = entries if not isinstance(entries, tuple) else list(entries)
        (folder / f"casino_{name}.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def real() -> Source:
    return open_source(real_data("casino"))


def test_every_real_dialogue_and_deal_is_there(real: Source):
    assert len(real.dialogues) == 1_030
    assert real.malformed == ()
    assert Counter(talk.outcome for talk in real.dialogues) == {"converted": 1_005, "abandoned": 25}
    assert all((talk.metrics["conversion_value"] > 0) == (talk.outcome == "converted") for talk in real.dialogues)
    assert {talk.metrics["satisfaction"] for talk in real.dialogues} == {1, 2, 3, 4, 5}


def test_buttons_are_no_words(real: Source):
    said = {message.content for talk in real.dialogues for message in talk.messages}

    assert not said & {"Submit-Deal", "Accept-Deal", "Reject-Deal", "Walk-Away"}
    assert sum(len(talk.messages) for talk in real.dialogues) == 11_919


def test_whoever_speaks_first_is_the_agent(real: Source):
    assert all(talk.messages[0].role == "assistant" for talk in real.dialogues)
    assert all({m.role for m in talk.messages} == {"assistant", "user"} for talk in real.dialogues)


def test_the_needs_are_the_nine_strategies_on_customer_turns(real: Source):
    needs = real.tasks[1]
    labels = [(talk, late) for talk in real.dialogues for late in talk.late_labels if late.task == "needs"]
    counts = Counter(label for _, late in labels for label in late.labels)

    assert needs.labels == STRATEGIES
    assert len(needs.labels) == 9
    assert len({talk.conversation_id for talk, _ in labels}) == 396
    assert len(labels) == 2_230
    assert counts["small-talk"] == 506
    assert counts["uv-part"] == 64
    assert all(talk.messages[late.turn].role == "user" for talk, late in labels if late.turn is not None)
    assert sum(not late.labels for _, late in labels) == 708


def test_annotations_stand_on_the_very_words_they_were_made_of(real: Source, casino: Path):
    entries = [
        entry
        for name in ("train", "valid", "test")
        for entry in json.loads(gzip.decompress((casino / f"casino_{name}.json.gz").read_bytes()))
    ]
    marks = {
        (f"casino-{e['dialogue_id']}", text): set(said.split(",")) for e in entries for text, said in e["annotations"]
    }
    twice = Counter((f"casino-{e['dialogue_id']}", text) for e in entries for text, _ in e["annotations"])

    checked = 0
    for talk in real.dialogues:
        for late in talk.late_labels:
            if late.turn is not None:
                key = (talk.conversation_id, talk.messages[late.turn].content)
                if twice[key] == 1:
                    assert set(late.labels) == marks[key] & set(STRATEGIES)
                    checked += 1
    assert checked > 2_200


def test_the_item_the_customer_values_most_is_a_fact_of_the_whole_conversation(real: Source):
    items = [late for talk in real.dialogues for late in talk.late_labels if late.task == "valued_item"]

    assert len(items) == 1_030
    assert {late.turn for late in items} == {None}
    assert Counter(label for late in items for label in late.labels) == {"food": 347, "water": 343, "firewood": 340}


def test_times_are_spread_over_sixty_days_of_working_hours_in_file_order(real: Source, casino: Path):
    starts = [talk.started_at for talk in real.dialogues]
    train = sorted(
        e["dialogue_id"] for e in json.loads(gzip.decompress((casino / "casino_train.json.gz").read_bytes()))
    )

    assert [talk.conversation_id for talk in real.dialogues[:900]] == [f"casino-{number}" for number in train]
    assert (starts[-1].date() - starts[0].date()).days == 59
    assert all(9 <= start.hour < 18 for start in starts)
    assert starts == sorted(set(starts))


def test_reading_twice_gives_the_same(real: Source, casino: Path):
    assert open_source(casino) == real


def test_the_value_of_a_deal_is_what_the_agent_scored(tmp_path):
    source = open_source(write(tmp_path, [talk()]))

    (dialogue,) = source.dialogues
    assert dialogue.outcome == "converted"
    assert dialogue.metrics["conversion_value"] == 19
    assert dialogue.metrics["satisfaction"] == 4


def test_who_walks_away_has_bought_nothing(tmp_path):
    left = talk()
    left["chat_logs"] = [*left["chat_logs"][:4], {"id": YOU, "text": "Walk-Away", "task_data": {}}]

    (dialogue,) = open_source(write(tmp_path, [left])).dialogues

    assert dialogue.outcome == "abandoned"
    assert dialogue.metrics["conversion_value"] == 0


def test_an_annotation_passes_over_a_message_that_has_none(tmp_path):
    marked = talk(annotations=[["I need water.", "self-need"], ["Thank you", "non-strategic"]])

    (dialogue,) = open_source(write(tmp_path, [marked])).dialogues

    needs = [late for late in dialogue.late_labels if late.task == "needs"]
    assert [(late.turn, late.labels) for late in needs] == [(1, ("self-need",)), (3, ())]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("no dialogue", "another type"),
        ({"dialogue_id": 2}, "chat_logs"),
        (talk(2, participant_info={ME: person()}), "two participants"),
        (talk(2, participant_info={ME: person(), YOU: person(high="Gold")}), "'gold'"),
        (talk(2, participant_info={ME: person(), YOU: person(satisfaction="So so")}), "So so"),
        (talk(2, chat_logs=talk()["chat_logs"][:-1]), "neither in a deal"),
        (talk(2, chat_logs=[]), "IndexError"),
        (talk(2, annotations=[["Never said", "self-need"]]), "'Never said'"),
        (talk(2, annotations=3), "another type"),
        (talk(2, participant_info={ME: person(points=10**9), YOU: person()}), "1 to 36"),
        (talk(2, participant_info={ME: person(points=float("inf")), YOU: person()}), "OverflowError"),
        (talk(1), "stands there twice"),
    ],
)
def test_a_malformed_conversation_is_reported_and_the_rest_goes_through(tmp_path, broken, reason):
    source = open_source(write(tmp_path, [talk(1), broken], valid=[talk(3)]))

    assert [dialogue.conversation_id for dialogue in source.dialogues] == ["casino-1", "casino-3"]
    ((_, why),) = source.malformed
    assert reason in why


def test_a_file_without_a_list_is_no_source(tmp_path):
    with pytest.raises(SourceError, match="holds no list of dialogues"):
        open_source(write(tmp_path, {"dialogues": []}))


def test_a_missing_split_is_named(tmp_path):
    write(tmp_path, [talk()])
    (tmp_path / "casino_test.json").unlink()

    with pytest.raises(SourceError, match=r"casino_test\.json"):
        open_source(tmp_path)


def test_the_other_side_hears_the_same_talk_and_carries_the_other_annotations(tmp_path: Path):
    annotations = [("Hello!", "small-talk"), ("I need water.", "self-need"), ("Take it.", "other-need")]
    folder = write(tmp_path, [talk(annotations=annotations)])

    (ours,), (theirs,) = open_source(folder).dialogues, other_side(folder)

    assert [said.content for said in theirs.messages] == [said.content for said in ours.messages]
    assert all(said.role != heard.role for said, heard in zip(theirs.messages, ours.messages, strict=True))
    assert [(label.turn, label.labels) for label in theirs.late_labels] == [(0, ("small-talk",)), (2, ("other-need",))]
    assert "customer_data" not in theirs.context
