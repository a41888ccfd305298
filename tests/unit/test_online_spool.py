import errno
import fcntl
import json
import os
import threading
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.errors import DatabaseError, RefusalError
from ml_pipeline.online.ids import fresh_event_id
from ml_pipeline.online.recording.progress import read_progress, unshipped
from ml_pipeline.online.recording.recorder import Event, Recorder
from ml_pipeline.online.recording.segments import FRAME, MAGIC, SegmentName, SegmentWriter, frame, list_segments, scan
from ml_pipeline.online.recording.shipping import Shipper
from ml_pipeline.online.recording.spool import Spool
from ml_pipeline.online.recording.writer_figures import FiguresFile, WriterFigures, read_figures
from tests.fake_door import FakeDoor
from tests.online_agent import START

BODIES = st.lists(st.binary(max_size=60), min_size=1, max_size=12)


@given(BODIES)
def test_what_was_framed_is_read_back(bodies):
    data = b"".join(frame(at, body) for at, body in enumerate(bodies, 1))

    found = scan(data)

    assert [(sequence, body) for sequence, body, _ in found.records] == list(enumerate(bodies, 1))
    assert (found.end, found.rest, found.damaged) == (len(data), 0, [])


@given(BODIES, st.data())
def test_a_torn_tail_costs_only_the_torn_record(bodies, data):
    records = [frame(at, body) for at, body in enumerate(bodies, 1)]
    whole = b"".join(records)
    cut = data.draw(st.integers(len(whole) - len(records[-1]), len(whole) - 1))

    found = scan(whole[:cut])

    assert [body for _, body, _ in found.records] == bodies[:-1]
    assert found.rest == cut - found.end


@settings(max_examples=200)
@given(BODIES, st.data())
def test_a_flipped_bit_costs_only_the_record_it_hit(bodies, data):
    records = [frame(at, body) for at, body in enumerate(bodies, 1)]
    hit = data.draw(st.integers(0, len(records) - 1))
    broken = bytearray(records[hit])
    broken[data.draw(st.integers(0, len(broken) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    found = scan(b"".join([*records[:hit], bytes(broken), *records[hit + 1 :]]))

    survived = [body for _, body, _ in found.records]
    assert survived == bodies[:hit] + bodies[hit + 1 :]
    assert bool(found.damaged) == (hit < len(bodies) - 1)


def test_a_frame_that_lies_about_its_length_is_no_record():
    huge = FRAME.pack(MAGIC, 1 << 31, 1, zlib.crc32(b""))

    found = scan(huge + frame(2, b"next"))

    assert [sequence for sequence, _, _ in found.records] == [2]


def test_a_segment_is_locked_from_its_first_moment_to_its_close(tmp_path):
    segment = SegmentWriter(tmp_path, SegmentName("0" * 36, 1))

    def is_free() -> bool:
        file = os.open(tmp_path / str(segment.name), os.O_RDONLY)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(file)
        return True

    was_free = is_free()
    segment.close()

    assert (was_free, is_free()) == (False, True)


def test_a_write_that_fails_half_way_leaves_nothing_behind(tmp_path, monkeypatch):
    segment = SegmentWriter(tmp_path, SegmentName("0" * 36, 1))
    segment.append(frame(1, b"kept"))
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:7]))

    with pytest.raises(OSError, match="wrote 7"):
        segment.append(frame(2, b"lost"))

    monkeypatch.undo()
    segment.append(frame(3, b"next"))
    found = scan((tmp_path / str(segment.name)).read_bytes())
    assert [(sequence, body) for sequence, body, _ in found.records] == [(1, b"kept"), (3, b"next")]
    assert found.damaged == []


def test_a_line_is_on_disk_with_writer_and_sequence_before_write_returns(tmp_path):
    spool = Spool(tmp_path / "spool", 1 << 20)

    spool.write(b'{"a":1}')

    (name,) = list_segments(tmp_path / "spool")
    ((sequence, body, _),) = scan((tmp_path / "spool" / str(name)).read_bytes()).records
    assert (sequence, json.loads(body)) == (1, {"a": 1, "writer": spool.writer, "sequence": 1})


def write_many(spool: Spool, count: int) -> None:
    for number in range(count):
        spool.write(b'{"n":%d}' % number)


def test_a_full_spool_refuses_and_takes_again_once_there_is_room(tmp_path):
    spool = Spool(tmp_path, 6_000)
    with pytest.raises(RefusalError, match="spool_full"):
        write_many(spool, 10_000)
    accepted = spool.sequence

    oldest = min(list_segments(tmp_path))
    (tmp_path / str(oldest)).unlink()
    spool.measure()
    spool.write(b'{"a":1}')

    assert spool.sequence == accepted + 1
    assert sum(path.stat().st_size for path in tmp_path.glob("*.seg")) <= 6_000


def test_a_disk_that_is_full_refuses_and_is_named(tmp_path, monkeypatch):
    spool = Spool(tmp_path, 1 << 20)
    spool.write(b'{"a":1}')

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(RefusalError, match="disk_full"):
        spool.write(b'{"a":2}')

    monkeypatch.undo()
    spool.write(b'{"a":3}')
    assert spool.sequence == 2


def test_a_folder_that_cannot_be_made_refuses_and_is_tried_again(tmp_path, monkeypatch):
    blocker = tmp_path / "spool"
    blocker.write_text("a file where the folder should be")
    spool = Spool(blocker, 1 << 20)
    for _ in range(2):
        with pytest.raises(RefusalError, match="spool_unusable"):
            spool.write(b'{"a":1}')
    was_usable = spool.is_usable

    blocker.unlink()
    monkeypatch.setattr("ml_pipeline.online.recording.spool.time.monotonic", lambda: 1e9)
    spool.write(b'{"a":1}')

    assert (was_usable, spool.is_usable, spool.sequence) == (False, True, 1)


def event(number: int = 0) -> Event:
    return Event(
        id=fresh_event_id(START), event_type="seen", event_category="agent", timestamp=START, data={"n": number}
    )


def test_threads_that_record_at_once_lose_and_mix_nothing(tmp_path):
    recorder = Recorder(tmp_path, 64 << 20, 0.01)
    threads = [
        threading.Thread(target=lambda: [recorder.record(event(n), "test") for n in range(500)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.close()

    scans = [scan((tmp_path / str(name)).read_bytes()) for name in list_segments(tmp_path)]
    sequences = [sequence for found in scans for sequence, _, _ in found.records if sequence]
    assert sequences == list(range(1, 4_001))


def test_a_writer_leaves_its_figures_beside_its_segments(tmp_path):
    recorder = Recorder(tmp_path, 64 << 20, 0.01)
    recorder.record(event(), "test")
    recorder.refuse("cyclic", "test", None, START)

    recorder.close()

    (file,) = tmp_path.glob("*.figures")
    # The refusal itself became an error event.
    assert read_figures(tmp_path, file.stem) == (WriterFigures(3, {"cyclic": 1}, 2), False)


def open_below(folder: Path) -> list[str]:
    """The files below ``folder`` that this process holds open."""
    held = (str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink())
    return [name for name in held if name.startswith(str(folder))]


def test_a_closed_recorder_keeps_no_file_and_no_thread(tmp_path):
    recorder = Recorder(tmp_path, 64 << 20, 0.01)
    threads = threading.active_count()
    recorder.record(event(), "test")
    was_held = open_below(tmp_path)

    recorder.close()

    assert (was_held != [], open_below(tmp_path)) == (True, [])
    assert threading.active_count() == threads


def test_a_forked_child_writes_under_its_own_name(tmp_path):
    from ml_pipeline.online.recording.recorder import shared_recorder

    recorder = shared_recorder(tmp_path, 64 << 20, 0.01)
    recorder.record(event(1), "test")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            recorder.record(event(2), "test")
            recorder.close()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    recorder.record(event(3), "test")
    recorder.close()

    by_writer: dict[str, list[tuple[int, int]]] = {}
    for name in list_segments(tmp_path):
        found = scan((tmp_path / str(name)).read_bytes())
        lines = [(sequence, json.loads(body)["data"]["n"]) for sequence, body, _ in found.records if sequence]
        by_writer.setdefault(name.writer, []).extend(lines)
    assert status == 0
    assert sorted(by_writer.values()) == [[(1, 1), (2, 3)], [(1, 2)]]


def filled(folder: Path, count: int, *, max_bytes: int = 64 << 20) -> str:
    """Leave the records of a writer that ended; return its name."""
    spool = Spool(folder, max_bytes)
    write_many(spool, count)
    writer = spool.writer
    spool.close()
    return writer


def writing(folder: Path, count: int) -> Spool:
    """A writer that has written and goes on."""
    spool = Spool(folder, 64 << 20)
    write_many(spool, count)
    return spool


def test_everything_is_shipped_in_order_and_the_folder_is_left_empty(tmp_path):
    filled(tmp_path, 2_500, max_bytes=400_000)
    door = FakeDoor()

    shipped = Shipper(tmp_path, door).ship()

    assert shipped == 2_500
    assert door.sequences() == list(range(1, 2_501))
    assert max(door.batches) <= 1_000
    assert list(tmp_path.glob("*.seg")) == []


def test_a_segment_in_use_is_shipped_and_stays(tmp_path):
    spool = writing(tmp_path, 3)
    door = FakeDoor()
    shipper = Shipper(tmp_path, door)

    first, nothing = shipper.ship(), shipper.ship()
    spool.write(b'{"n":3}')
    then = shipper.ship()

    assert (first, nothing, then) == (3, 0, 1)
    assert door.sequences() == [1, 2, 3, 4]
    assert unshipped(tmp_path) == {}
    assert len(list_segments(tmp_path)) == 1


def test_while_the_database_is_away_nothing_is_lost_and_nothing_is_sent_twice_after(tmp_path):
    filled(tmp_path, 1_500)
    door = FakeDoor(away=2)
    shipper = Shipper(tmp_path, door)
    for _ in range(2):
        with pytest.raises(DatabaseError):
            shipper.ship()

    shipper.ship()

    assert door.sequences() == list(range(1, 1_501))


def test_a_shipper_that_died_between_batches_goes_on_behind_the_last_commit(tmp_path):
    filled(tmp_path, 2_500)
    door = FakeDoor()
    door.dies_after = 2
    with pytest.raises(KeyboardInterrupt):
        Shipper(tmp_path, door).ship()

    door.dies_after = None
    Shipper(tmp_path, door).ship()

    assert door.sequences() == list(range(1, 2_501))


def test_one_poisoned_record_is_rejected_and_stops_nobody(tmp_path):
    spool = Spool(tmp_path, 1 << 20)
    for number in range(100):
        spool.write(b'{"n":"poison"}' if number == 41 else b'{"n":%d}' % number)
    writer = spool.writer
    spool.close()
    door = FakeDoor()

    Shipper(tmp_path, door).ship()

    assert door.rejected == [(writer, 42)]
    assert door.sequences() == [sequence for sequence in range(1, 101) if sequence != 42]


def flip(folder: Path, at: int) -> None:
    (name,) = list_segments(folder)
    data = bytearray((folder / str(name)).read_bytes())
    data[at] ^= 1
    (folder / str(name)).write_bytes(data)


def leave_figures(folder: Path, writer: str, claimed: int = 10) -> None:
    """What a writer that was killed says of itself."""
    figures = FiguresFile(folder, writer)
    figures.write(WriterFigures(claimed, {}, claimed))
    figures.close()


@pytest.mark.parametrize("record", [1, 5, 9, 10])
def test_a_damaged_record_is_set_aside_and_counted(tmp_path, record):
    writer = filled(tmp_path, 10)
    leave_figures(tmp_path, writer)
    (name,) = list_segments(tmp_path)
    ends = [0, *(end for _, _, end in scan((tmp_path / str(name)).read_bytes()).records)]
    flip(tmp_path, ends[record] - 3)
    door = FakeDoor()
    shipper = Shipper(tmp_path, door)

    shipper.ship()
    shipper.report()

    assert door.sequences() == [sequence for sequence in range(1, 11) if sequence != record]
    account = door.account(writer)
    assert (account.stored, account.quarantined, account.missing) == (9, 1, 0)
    assert door.reports[-1] == (writer, WriterFigures(10, {}, 10), True)
    (kept,) = (tmp_path / "quarantine").iterdir()
    assert kept.stat().st_size == ends[record] - ends[record - 1]
    assert {path.name for path in tmp_path.iterdir()} == {"quarantine"}


def test_a_record_torn_by_a_power_cut_is_set_aside(tmp_path):
    filled(tmp_path, 10)
    (name,) = list_segments(tmp_path)
    path = tmp_path / str(name)
    path.write_bytes(path.read_bytes()[:-5])
    door = FakeDoor()

    Shipper(tmp_path, door).ship()

    assert door.sequences() == list(range(1, 10))
    assert len(list((tmp_path / "quarantine").iterdir())) == 1


def test_bytes_still_being_written_are_left_for_later(tmp_path):
    spool = writing(tmp_path, 3)
    (name,) = list_segments(tmp_path)
    with (tmp_path / str(name)).open("ab") as file:
        file.write(frame(4, b'{"sequence":4}')[:-2])
    door = FakeDoor()

    Shipper(tmp_path, door).ship()

    assert door.sequences() == [1, 2, 3]
    assert not (tmp_path / "quarantine").exists()
    assert spool.sequence == 3


def test_the_position_survives_and_losing_it_costs_only_a_replay(tmp_path):
    spool = writing(tmp_path, 5)
    door = FakeDoor()
    Shipper(tmp_path, door).ship()
    position = read_progress(tmp_path, spool.writer)

    (tmp_path / f"{spool.writer}.shipped").unlink()
    Shipper(tmp_path, door).ship()

    assert position.sequence == 5
    assert door.sequences() == [1, 2, 3, 4, 5] * 2
    assert (door.account(spool.writer).stored, door.account(spool.writer).quarantined) == (5, 0)


def test_of_two_writers_each_is_shipped_whole(tmp_path):
    first, second = filled(tmp_path, 20), filled(tmp_path, 30)
    door = FakeDoor()

    Shipper(tmp_path, door).ship()

    by_writer: dict[object, list[object]] = {}
    for line in door.lines:
        by_writer.setdefault(line["writer"], []).append(line["sequence"])
    assert by_writer == {first: list(range(1, 21)), second: list(range(1, 31))}
