"""A full spool that may drop its oldest segments: what goes is counted once, whatever is killed between the steps."""

import fcntl
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.errors import RefusalError
from ml_pipeline.online.recording.segments import SegmentName, frame, list_segments, read_bounds, scan
from ml_pipeline.online.recording.shipping import Shipper
from ml_pipeline.online.recording.spool import Spool
from ml_pipeline.online.recording.tombstones import Tombstone, count_dropped, drop_oldest, list_spooled, list_tombstones
from tests.fake_door import FakeDoor

MAX_BYTES = 40_000


def overfilled(folder: Path, count: int = 1_500) -> Spool:
    """A writer that went on though the spool was full."""
    spool = Spool(folder, MAX_BYTES, drops_oldest=True)
    for _ in range(count // 20):
        write_many(spool, 20)
        spool.sync()
    return spool


def write_many(spool: Spool, count: int) -> None:
    for number in range(count):
        spool.write(b'{"n":%d}' % number)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def ship_all(folder: Path, door: FakeDoor) -> None:
    shipper = Shipper(folder, door)
    shipper.ship()
    shipper.report()


def test_the_oldest_give_way_to_the_newest_and_are_counted(tmp_path):
    spool = overfilled(tmp_path)
    held = size(tmp_path)
    writer = spool.writer
    spool.close()
    door = FakeDoor()

    ship_all(tmp_path, door)

    account = door.account(writer)
    assert held <= MAX_BYTES
    assert door.sequences() == list(range(account.dropped + 1, 1_501))
    assert (account.stored + account.dropped, account.quarantined) == (1_500, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_dropped_segments_leaves_one_tombstone(tmp_path):
    overfilled(tmp_path)

    (tombstone,) = list_tombstones(tmp_path)

    assert tombstone.first == 1
    assert count_dropped([tombstone], shipped=0) == tombstone.last
    assert count_dropped([tombstone], shipped=10) == tombstone.last - 10


def test_a_segment_that_is_being_shipped_is_never_dropped(tmp_path):
    spool = Spool(tmp_path, MAX_BYTES, drops_oldest=True)
    while len(list_segments(tmp_path)) < 4:
        spool.write(b'{"n":1}')
        spool.sync()
    oldest, second = list_segments(tmp_path)[:2]
    file = os.open(tmp_path / str(oldest), os.O_RDONLY)
    fcntl.flock(file, fcntl.LOCK_EX)

    drop_oldest(tmp_path)
    os.close(file)

    assert oldest in list_segments(tmp_path)
    assert [tombstone.number for tombstone in list_tombstones(tmp_path)] == [second.number]


def test_what_was_shipped_before_its_segment_was_dropped_is_not_counted_again(tmp_path):
    spool = Spool(tmp_path, MAX_BYTES, drops_oldest=True)
    for number in range(10):
        spool.write(b'{"n":%d}' % number)
    door = FakeDoor()
    Shipper(tmp_path, door).ship()
    for number in range(10, 30):
        spool.write(b'{"n":%d}' % number)
    writer = spool.writer
    spool.close()

    drop_oldest(tmp_path)
    ship_all(tmp_path, door)

    account = door.account(writer)
    assert (account.stored, account.dropped, account.shipped) == (10, 20, 30)


def test_where_nothing_can_be_dropped_new_events_are_refused(tmp_path):
    spool = Spool(tmp_path, 4_096, drops_oldest=True)

    with pytest.raises(RefusalError, match="spool_full"):
        write_many(spool, 1_000)

    assert list_tombstones(tmp_path) == []
    assert size(tmp_path) <= 4_096


def test_of_several_writers_the_oldest_segment_of_all_goes_first(tmp_path):
    writers = []
    for age in (30, 20, 10):
        spool = Spool(tmp_path, MAX_BYTES)
        spool.write(b'{"n":1}')
        writers.append(spool.writer)
        spool.close()
        (name,) = [name for name in list_segments(tmp_path) if name.writer == writers[-1]]
        os.utime(tmp_path / str(name), (1_000_000 - age, 1_000_000 - age))

    drop_oldest(tmp_path)

    assert [tombstone.writer for tombstone in list_tombstones(tmp_path)] == writers[:1]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["write", "drop", "ship", "die before the count", "die after the count"]), max_size=25))
def test_dropping_and_shipping_in_any_order_and_with_any_death_counts_each_record_once(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder, 1 << 20)
    spool._segment_bytes = 4_096
    door = DyingDoor()
    for step in [*steps, "write", "ship"]:
        if step == "write":
            for number in range(60):
                spool.write(b'{"n":%d}' % number)
            spool.sync()
        elif step == "drop":
            drop_oldest(folder)
        else:
            door.dies = step
            try:
                Shipper(folder, door).ship()
            except KeyboardInterrupt:
                door.dies = ""
    writer, count = spool.writer, spool.sequence
    spool.close()

    door.dies = ""
    ship_all(folder, door)

    account = door.account(writer)
    assert account.stored + account.dropped == account.shipped == count
    assert account.quarantined == 0
    assert account.stored == len({line["sequence"] for line in door.lines})
    assert list(folder.iterdir()) == []


class DyingDoor(FakeDoor):
    """Dies before or after it counts what was dropped."""

    dies = ""

    def skip(self, writer, through, loss):
        if self.dies == "die before the count":
            raise KeyboardInterrupt
        told = super().skip(writer, through, loss)
        if self.dies == "die after the count":
            raise KeyboardInterrupt
        return told


def test_a_writer_killed_between_the_steps_of_a_drop_has_dropped_or_has_not(tmp_path, monkeypatch):
    spool = Spool(tmp_path, MAX_BYTES)
    for number in range(100):
        spool.write(b'{"n":%d}' % number)
        spool.sync()
    writer = spool.writer
    monkeypatch.setattr(os, "truncate", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        drop_oldest(tmp_path)
    monkeypatch.undo()
    spool.close()
    door = FakeDoor()

    ship_all(tmp_path, door)

    account = door.account(writer)
    assert account.dropped > 0
    assert (account.stored + account.dropped, account.quarantined) == (100, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_segment_dropped_under_the_shippers_eyes_is_told_before_what_follows_it(tmp_path, monkeypatch):
    spool = Spool(tmp_path, MAX_BYTES)
    for number in range(200):
        spool.write(b'{"n":%d}' % number)
        spool.sync()
    writer = spool.writer
    spool.close()
    door = FakeDoor()
    listed = list_spooled(tmp_path)
    monkeypatch.setattr("ml_pipeline.online.recording.shipping.list_spooled", lambda _: listed)
    drop_oldest(tmp_path)

    Shipper(tmp_path, door).ship()
    before = door.sequences()
    monkeypatch.undo()
    ship_all(tmp_path, door)

    account = door.account(writer)
    assert before == []
    assert account.dropped > 0
    assert (account.stored + account.dropped, account.quarantined) == (200, 0)


@pytest.mark.parametrize("length", [10, 5_000, 200_000])
@pytest.mark.parametrize("how", ["sound", "torn", "damaged"])
def test_the_ends_of_a_segment_say_which_sequences_it_holds(tmp_path, length, how):
    data = bytearray(b"".join(frame(sequence, b"x" * length) for sequence in range(11, 41)))
    if how == "torn":
        del data[-3:]
    elif how == "damaged":
        data[-3] ^= 1
    path = tmp_path / "segment"
    path.write_bytes(data)

    with path.open("rb") as file:
        bounds = read_bounds(file.fileno())

    assert bounds == (11, 40 if how == "sound" else 39)


def test_a_segment_without_a_whole_record_has_no_bounds(tmp_path):
    path = tmp_path / "segment"
    path.write_bytes(frame(1, b"x" * 100)[:-1])

    with path.open("rb") as file:
        assert read_bounds(file.fileno()) is None


def test_a_tombstone_is_read_back_from_its_name():
    tombstone = Tombstone("0" * 36, 7, 11, 20)

    assert Tombstone.read(str(tombstone)) == tombstone
    assert Tombstone.read(str(SegmentName("0" * 36, 7))) is None


def test_dropping_leaves_no_descriptor_open(tmp_path):
    spool = overfilled(tmp_path, 300)
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(50):
        write_many(spool, 20)
        spool.sync()

    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert scan((tmp_path / str(list_segments(tmp_path)[-1])).read_bytes()).damaged == []
