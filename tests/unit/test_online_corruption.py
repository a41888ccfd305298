"""Whatever happens to a segment's bytes: what was not hit is shipped, what was is counted, and nothing is invented."""

import json
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.online.recording.segments import FRAME, MAGIC, SegmentName, frame, scan
from ml_pipeline.online.recording.shipping import Shipper
from ml_pipeline.online.recording.writer_figures import FiguresFile, WriterFigures
from tests.fake_door import FakeDoor

WRITER = "0" * 36


def line(sequence: int, filling: int) -> bytes:
    said = {"n": sequence, "say": "x" * filling, "writer": WRITER, "sequence": sequence}
    return json.dumps(said).encode()


@dataclass(frozen=True)
class Damage:
    """``whole``: the records that were not touched; ``hit``: those that were."""

    data: bytes
    whole: frozenset[int]
    hit: frozenset[int]


@st.composite
def damaged_segments(draw: st.DrawFn) -> Damage:
    """A segment of a few records that was flipped, zeroed, overwritten with garbage, torn or grown in some place."""
    fillings = draw(st.lists(st.integers(0, 300), min_size=1, max_size=12))
    records = [frame(sequence, line(sequence, filling)) for sequence, filling in enumerate(fillings, 1)]
    whole = b"".join(records)
    at = draw(st.integers(0, len(whole) - 1))
    until = draw(st.integers(at + 1, min(len(whole), at + draw(st.sampled_from([1, 40, 1_000])))))
    how = draw(st.sampled_from(["flip", "zero", "garbage", "tear", "insert"]))
    if how == "tear":
        data, until = whole[:at], len(whole)
    elif how == "insert":
        data, until = whole[:at] + draw(garbage(64)) + whole[at:], at
    else:
        data = whole[:at] + draw(overwritten(whole[at:until], how)) + whole[until:]
    hit, start = set(), 0
    for sequence, record in enumerate(records, 1):
        end = start + len(record)
        is_cut = start < at < end if how == "insert" else start < until and at < end
        if is_cut and data[start:end] != record:
            hit.add(sequence)
        start = end
    return Damage(data, frozenset(range(1, len(records) + 1)) - hit, frozenset(hit))


def garbage(most: int) -> st.SearchStrategy[bytes]:
    return st.one_of(st.binary(min_size=1, max_size=most), st.just(MAGIC), st.just(FRAME.pack(MAGIC, 40, 10**9, 0)))


def overwritten(data: bytes, how: str) -> st.SearchStrategy[bytes]:
    if how == "flip":
        return st.integers(0, 7).map(lambda bit: bytes([data[0] ^ (1 << bit)]) + data[1:])
    if how == "zero":
        return st.just(bytes(len(data)))
    return st.binary(min_size=len(data), max_size=len(data))


@settings(max_examples=300, deadline=None)
@given(damaged_segments())
def test_every_record_that_was_not_hit_is_recovered_and_none_is_invented(damage):
    found = {sequence: body for sequence, body, _ in scan(damage.data).records}

    told = {sequence: json.loads(body) for sequence, body in found.items()}
    assert all(said["sequence"] == sequence and said["n"] == sequence for sequence, said in told.items())
    assert set(found) == damage.whole


@settings(max_examples=200, deadline=None)
@given(damaged_segments(), st.booleans())
def test_a_damaged_segment_leaves_an_account_that_balances(tmp_path_factory, damage, has_figures):
    folder = tmp_path_factory.mktemp("spool")
    claimed = len(damage.whole) + len(damage.hit)
    (folder / str(SegmentName(WRITER, 1))).write_bytes(damage.data)
    if has_figures:
        figures = FiguresFile(folder, WRITER)
        figures.write(WriterFigures(claimed, {}, claimed))
        figures.close()
    door = FakeDoor()
    shipper = Shipper(folder, door)

    shipper.ship()
    shipper.report()

    account = door.account(WRITER)
    assert account.stored == len(door.lines) == len(damage.whole)
    assert account.quarantined + account.missing <= len(damage.hit)
    assert account.shipped == account.stored + account.quarantined
    if has_figures:
        assert account.stored + account.quarantined + account.missing == claimed
    assert {path.name for path in folder.iterdir()} <= {"quarantine"}


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=4_000))
def test_a_file_of_garbage_is_set_aside_and_ships_nothing(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("spool")
    (folder / str(SegmentName(WRITER, 1))).write_bytes(data)
    door = FakeDoor()

    Shipper(folder, door).ship()

    assert door.lines == []
    assert b"".join(path.read_bytes() for path in folder.glob("quarantine/*")) == data
    assert list(folder.glob("*.seg")) == []
