import csv
import gzip
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from ml_pipeline.errors import SourceError
from ml_pipeline.samples.sources import open_source
from ml_pipeline.vocabulary.dialogue import Dialogue, Source
from ml_pipeline.vocabulary.tasks import CONVERSION, NEEDS, Mode
from tests.conftest import real_data

ID = "20180904-045349_715_live"
DIALOG = "Unit,Turn,B4,B2"
INFO = "B2,B3,B4,B6,B7,age.x"
ANNOTATED = "B2,B4,Turn,Unit,er_label_1,ee_label_1,er_label_2,ee_label_2"


def write(folder: Path, *, said: str = "", info: str = "", acts: str = "") -> Path:
    (folder / "full_dialog.csv").write_text(f"{DIALOG}\n{said}", encoding="utf-8")
    (folder / "full_info.csv").write_text(f"{INFO}\n{info}", encoding="utf-8")
    (folder / "300_dialog.csv").write_text(f"{ANNOTATED}\n{acts}", encoding="utf-8")
    return folder


def small_set(folder: Path, *, gift: str = "0.5", said: str | None = None, acts: str = "") -> Path:
    words = said if said is not None else f"Hello.,0,0,{ID}\nNot now.,0,1,{ID}\nOh.,1,0,{ID}\nBye,1,1,{ID}\n"
    return write(folder, said=words, info=f"{ID},u1,0,9,2,30\n{ID},u2,1,{gift},2,50\n", acts=acts)


def only(source: Source) -> Dialogue:
    (dialogue,) = source.dialogues
    return dialogue


@pytest.fixture(scope="module")
def real() -> Source:
    return open_source(real_data("persuasionforgood"))


def test_every_real_dialogue_and_donor_is_there(real: Source):
    donors = [talk for talk in real.dialogues if talk.outcome == "converted"]

    assert len(real.dialogues) == 1_017
    assert real.malformed == ()
    assert sum(len(talk.messages) for talk in real.dialogues) == 20_932
    assert len(donors) == 545
    assert all((talk.metrics["conversion_value"] > 0) == (talk in donors) for talk in real.dialogues)


def test_gifts_are_capped_at_two_dollars(real: Source):
    values = [talk.metrics["conversion_value"] for talk in real.dialogues]

    assert max(values) == 2.0
    assert {talk.metrics["currency"] for talk in real.dialogues} == {"USD"}


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with gzip.open(folder / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def letters(*units: str) -> str:
    return "".join(filter(str.isalnum, " ".join(units).lower()))


def test_labels_stand_on_exactly_the_turns_that_annotators_read(real: Source, persuasion: Path):
    said: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows(persuasion, "full_dialog"):
        said[row["B2"]].append(row)
    read: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows(persuasion, "300_dialog"):
        if row["B4"] == "1":
            read[row["B2"], row["Turn"]].append(row["Unit"])

    labelled = [talk for talk in real.dialogues if talk.late_labels]

    assert len(labelled) == 300
    assert sum(len(talk.late_labels) for talk in labelled) == 2_979
    is_split = 0
    for talk in labelled:
        for late in talk.late_labels:
            assert late.turn is not None
            row = said[talk.conversation_id][late.turn]  # the set has one row a message
            assert row["B4"] == "1"
            assert row["Unit"].strip() == talk.messages[late.turn].content
            units = read[talk.conversation_id, row["Turn"]]
            is_split += letters(row["Unit"]) != letters(*units)
            assert letters(row["Unit"]) in letters(*units)
    assert is_split <= 5, "only turns that annotators split into runs hold more than this text"


def test_what_annotators_read_otherwise_is_counted_and_said(real: Source):
    (note,) = real.notes

    assert note.startswith("52 of 3,031 annotated customer turns read otherwise in 300_dialog.csv than in full_dialog")


def test_objections_are_the_three_reluctant_acts(real: Source):
    counts = Counter(
        label for talk in real.dialogues for late in talk.late_labels for label in late.labels or ("none",)
    )

    assert counts == {"negative_reaction": 152, "neutral_reaction": 85, "disagreement": 81, "none": 2_679}
    assert all(
        late.source == "human" and late.at > talk.ended_at for talk in real.dialogues for late in talk.late_labels
    )


def test_the_set_brings_its_own_objections_and_no_needs(real: Source):
    objection, needs, conversion = real.tasks

    assert objection.labels == ("disagreement", "negative_reaction", "neutral_reaction")
    assert objection.mode is Mode.DETECT
    assert (needs, conversion) == (NEEDS, CONVERSION)
    assert {late.task for talk in real.dialogues for late in talk.late_labels} == {"objection"}


def test_dialogues_start_at_the_time_in_their_id_oldest_first(real: Source):
    starts = [talk.started_at for talk in real.dialogues]

    assert starts == sorted(starts)
    for talk in real.dialogues:
        assert f"{talk.started_at:%Y%m%d-%H%M%S}" in talk.conversation_id
        times = [message.at for message in talk.messages]
        assert times == sorted(set(times))
    assert sum(talk.conversation_id.startswith("BAD_") for talk in real.dialogues) == 27


def test_reading_twice_gives_the_same(real: Source, persuasion: Path):
    assert open_source(persuasion) == real


def test_units_of_one_role_and_turn_are_one_message(tmp_path):
    said = f"Hello.,0,0,{ID}\nHow are you?,0,0,{ID}\nFine,0,1,{ID}\nBye,1,0,{ID}\n"

    dialogue = only(open_source(small_set(tmp_path, said=said)))

    assert [(m.role, m.content) for m in dialogue.messages] == [
        ("assistant", "Hello. How are you?"),
        ("user", "Fine"),
        ("assistant", "Bye"),
    ]


@pytest.mark.parametrize(
    ("gift", "value", "outcome"), [("700", 2.0, "converted"), ("0.05", 0.05, "converted"), ("0.0", 0.0, "completed")]
)
def test_what_the_persuadee_gave_decides(tmp_path, gift, value, outcome):
    dialogue = only(open_source(small_set(tmp_path, gift=gift)))

    assert dialogue.metrics["conversion_value"] == value
    assert dialogue.outcome == outcome
    assert dialogue.context["customer_data"] == {"age": 50}


def test_a_turn_without_an_objection_is_an_explicit_negative(tmp_path):
    acts = f"{ID},1,0,Not now.,,disagree-donation,,\n{ID},1,1,Bye,,closing,,\n"

    dialogue = only(open_source(small_set(tmp_path, acts=acts)))

    assert [(late.turn, late.labels) for late in dialogue.late_labels] == [(1, ("disagreement",)), (3, ())]


def test_a_second_act_counts_too(tmp_path):
    acts = f"{ID},1,0,Not now.,,neutral-reaction-to-donation,,disagree-donation-more\n"

    dialogue = only(open_source(small_set(tmp_path, acts=acts)))

    assert dialogue.late_labels[0].labels == ("disagreement", "neutral_reaction")


def test_an_annotation_of_other_words_labels_nothing(tmp_path):
    acts = f"{ID},1,0,Something else entirely,,disagree-donation,,\n"

    source = open_source(small_set(tmp_path, acts=acts))

    assert only(source).late_labels == ()
    assert "1 of 1 annotated customer turns" in source.notes[0]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("x,0,7,BROKEN\n", "role B4 = '7'"),
        ("x,zero,1,20180904-045349_1_live\n", "Turn is 'zero'"),
        ("x,0,1,nobody-knows\n", "no persuadee"),
    ],
)
def test_a_malformed_conversation_is_reported_and_the_rest_goes_through(tmp_path, bad, reason):
    good = f"Hello.,0,0,{ID}\nNot now.,0,1,{ID}\nOh.,1,0,{ID}\n"

    source = open_source(small_set(tmp_path, said=good + bad))

    assert only(source).conversation_id == ID
    ((name, why),) = source.malformed
    assert name in bad
    assert reason in why


@pytest.mark.parametrize("gift", ["", "nan", "inf", "two dollars"])
def test_a_gift_that_is_no_number_is_malformed(tmp_path, gift):
    with pytest.raises(SourceError, match="B6 is"):
        open_source(small_set(tmp_path, gift=gift))


def test_a_row_that_is_cut_short_is_reported(tmp_path):
    good = f"Hello.,0,0,{ID}\nNot now.,0,1,{ID}\nOh.,1,0,{ID}\n"

    source = open_source(small_set(tmp_path, said=good + "and then"))

    assert only(source).conversation_id == ID
    assert source.malformed == (("full_dialog.csv line 5", "the row names no dialogue (B2 is empty)"),)


def test_a_dialogue_that_is_shorter_than_its_info_says_is_malformed(tmp_path):
    other = "20180905-045349_1_live"
    said = f"Hello.,0,0,{ID}\nHi.,0,1,{ID}\nHello.,0,0,{other}\n"
    info = f"{ID},u2,1,0,1,50\n{other},u3,1,0,10,50\n"

    source = open_source(write(tmp_path, said=said, info=info))

    assert source.malformed == ((other, "it has 1 turns where full_info.csv counts 10"),)


def test_a_set_of_malformed_conversations_only_is_no_source(tmp_path):
    with pytest.raises(SourceError, match="no usable conversation"):
        open_source(small_set(tmp_path, said=f"x,0,7,{ID}\n"))


def test_an_empty_set_is_no_source(tmp_path):
    with pytest.raises(SourceError, match="its files are empty"):
        open_source(write(tmp_path))
