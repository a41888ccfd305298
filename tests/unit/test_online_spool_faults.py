"""What a spool does where its disk, its folder or its process is not what it should be."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from ml_pipeline import MLPipelineService
from ml_pipeline.errors import RefusalError
from ml_pipeline.online.recording import spool as spools
from ml_pipeline.online.recording.mounts import NETWORKED, file_system
from ml_pipeline.online.recording.recorder import Recorder
from ml_pipeline.online.recording.segments import SegmentName, frame, is_locked, list_segments, scan
from ml_pipeline.online.recording.shipper import is_anyone_writing
from ml_pipeline.online.recording.shipping import Shipper
from ml_pipeline.online.recording.spool import Spool
from ml_pipeline.online.recording.writer_figures import FiguresFile, WriterFigures, read_figures
from tests.fake_door import FakeDoor
from tests.online_agent import NOWHERE
from tests.unit.test_online_spool import event

MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 27 0:40 / /srv/shared rw,relatime shared:2 master:1 - nfs4 files:/export rw
41 27 0:41 / /srv/with\040space rw - fuse.sshfs someone@host: rw
42 40 8:1 / /srv/shared/local rw - xfs /dev/sdb rw
43 27 0:43 / /srv/twice rw - ext4 /dev/sdc rw
44 27 0:44 / /srv/twice rw - cifs //host/share rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/spool", "ext4"),
        ("/srv/shared/spool", "nfs4"),
        ("/srv/shared", "nfs4"),
        ("/srv/sharedbutnot", "ext4"),
        ("/srv/shared/local/spool", "xfs"),
        ("/srv/with space/spool", "fuse.sshfs"),
        ("/srv/twice/spool", "cifs"),
    ],
)
def test_the_innermost_and_latest_mount_says_what_a_folder_lies_on(tmp_path, folder, kind):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS.lstrip())

    assert file_system(Path(folder), mounts) == kind


def test_where_the_system_names_no_mounts_nothing_is_refused(tmp_path):
    assert file_system(tmp_path, tmp_path / "none") is None


async def test_on_a_network_file_system_every_event_is_refused_counted_and_said(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(spools, "file_system", lambda _: "nfs4")
    monkeypatch.setenv("ML_PIPELINE_CACHE", str(tmp_path / "cache"))
    async with MLPipelineService(dsn=NOWHERE, spool=tmp_path / "spool") as service:
        told = [await service.track_event("c", "seen", {}) for _ in range(3)]
        metrics = await service.get_ml_pipeline_metrics()

    said = [record.getMessage() for record in caplog.records if "spool.unusable" in record.getMessage()]
    assert told == [None, None, None]
    assert metrics["buffers"]["refused"]["spool_on_network"] >= 3
    assert (metrics["pipeline_status"], metrics["health_score"]) == ("error", 0.0)
    assert len(said) == 1
    assert str(tmp_path / "spool") in said[0]
    assert "nfs4" in said[0]
    assert list((tmp_path / "spool").iterdir()) == []


def test_the_folder_is_judged_at_the_start_and_not_at_the_first_event(tmp_path, monkeypatch):
    monkeypatch.setattr(spools, "file_system", lambda _: "cifs")
    recorder = Recorder(tmp_path, 1 << 20, 0.01)

    recorder.start()
    deadline = time.monotonic() + 10
    while recorder.spool.is_usable and time.monotonic() < deadline:
        time.sleep(0.01)
    recorder.close()

    assert not recorder.spool.is_usable


def test_the_usual_network_file_systems_are_known():
    assert {"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph", "glusterfs", "lustre", "afs"} <= NETWORKED
    assert not {"ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs"} & NETWORKED


def test_a_file_that_may_not_grow_is_followed_by_another(tmp_path):
    done = run(
        tmp_path,
        """
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
        spool = Spool(folder, 1 << 20)
        for number in range(100):
            spool.write(b'{"n":%d}' % number)
        print(spool.sequence)
        """,
    )
    door = FakeDoor()

    Shipper(tmp_path, door).ship()

    assert done == "100"
    assert door.sequences() == list(range(1, 101))


def test_a_full_disk_is_not_filled_with_empty_files(tmp_path, monkeypatch):
    spool = Spool(tmp_path, 1 << 20)
    spool.write(b'{"n":1}')
    monkeypatch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))

    for _ in range(20):
        with pytest.raises(RefusalError, match="disk_full"):
            spool.write(b'{"n":2}')

    assert len(list_segments(tmp_path)) == 2


def test_a_segment_that_somebody_deleted_is_followed_by_another(tmp_path):
    spool = Spool(tmp_path, 1 << 20)
    spool.write(b'{"n":1}')
    for name in list_segments(tmp_path):
        (tmp_path / str(name)).unlink()

    spool.measure()
    spool.write(b'{"n":2}')

    (name,) = list_segments(tmp_path)
    assert [sequence for sequence, _, _ in scan((tmp_path / str(name)).read_bytes()).records] == [2]


def test_without_descriptors_to_spare_a_longer_segment_is_better_than_none(tmp_path, monkeypatch):
    spool = Spool(tmp_path, 40_000)
    spool.write(b'{"n":1}')
    monkeypatch.setattr(os, "open", lambda *_, **__: (_ for _ in ()).throw(OSError(24, "Too many open files")))

    for number in range(200):
        spool.write(b'{"n":%d}' % number)

    assert spool.sequence == 201
    assert len(list_segments(tmp_path)) == 1


def test_with_no_time_between_syncs_the_disk_has_each_event_before_the_call_returns(tmp_path, monkeypatch):
    synced = []
    real = os.fsync

    def watched(file: int) -> None:
        synced.append(os.fstat(file).st_size)
        real(file)

    monkeypatch.setattr(os, "fsync", watched)
    recorder = Recorder(tmp_path, 1 << 20, 0)
    sizes = []
    for number in range(5):
        recorder.record(event(number), "test")
        (name,) = list_segments(tmp_path)
        sizes.append((tmp_path / str(name)).stat().st_size)
        assert sizes[-1] in synced
    recorder.close()


def test_a_disk_that_will_not_sync_is_noted_and_hurts_no_call(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    recorder = Recorder(tmp_path, 1 << 20, 0)

    taken = [recorder.record(event(number), "test") for number in range(3)]

    assert taken == [True, True, True]
    assert recorder.counts.noted["sync_failed"] >= 3
    monkeypatch.undo()
    recorder.close()


def test_a_childs_life_does_not_keep_its_dead_parents_segments_locked(tmp_path):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert parent.stdout is not None
    parent_writer, child_writer = parent.stdout.readline().split()
    try:
        locked_before = locks(tmp_path)
        parent.kill()
        parent.wait()
        deadline = time.monotonic() + 20
        while parent_writer in locks(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.02)

        assert locked_before == {parent_writer, child_writer}
        assert locks(tmp_path) == {child_writer}
    finally:
        os.killpg(parent.pid, signal.SIGKILL)


PARENT = textwrap.dedent(
    """
    import os, sys, threading, time
    from datetime import UTC, datetime
    from pathlib import Path
    from ml_pipeline.online.ids import fresh_event_id
    from ml_pipeline.online.recording.recorder import Event, shared_recorder

    recorder = shared_recorder(Path(sys.argv[1]), 200_000, 0.005)

    def record():
        at = datetime.now(UTC)
        recorder.record(Event(id=fresh_event_id(at), event_type="seen", event_category="agent", timestamp=at, data={}),
                        "test")

    def go_on():
        while True:
            record()

    record()
    parent = recorder.spool.writer
    # Segments are opened, finished and synced all the while: the fork falls anywhere between.
    threading.Thread(target=go_on, daemon=True).start()
    time.sleep(0.3)
    if os.fork() == 0:
        record()
        print(parent, recorder.spool.writer, flush=True)
        time.sleep(60)
        os._exit(0)
    time.sleep(60)
    """
)


def locks(folder: Path) -> set[str]:
    """The writers that hold a file of theirs."""
    return {path.name[:36] for path in folder.iterdir() if is_locked(path)}


def test_a_writer_that_only_refused_is_alive_until_it_closes(tmp_path):
    recorder = Recorder(tmp_path, 1 << 20, 0.01)
    recorder.refuse("cyclic", "test", None, event().timestamp)
    writer = recorder.spool.writer
    door = FakeDoor()
    shipper = Shipper(tmp_path, door)

    shipper.ship()
    shipper.report()
    while_alive = (is_anyone_writing(tmp_path), door.reports[-1][2])
    recorder.close()
    shipper.ship()
    shipper.report()

    assert while_alive == (True, False)
    assert door.reports[-1] == (writer, WriterFigures(2, {"cyclic": 1}, 1), True)
    assert list(tmp_path.iterdir()) == []


def test_what_was_refused_is_on_disk_at_once(tmp_path):
    recorder = Recorder(tmp_path, 1 << 20, 0.01)

    for _ in range(5):
        recorder.refuse("cyclic", "test", None, event().timestamp)

    said, is_alive = read_figures(tmp_path, recorder.spool.writer)
    recorder.close()
    assert said is not None
    assert (said.refused, is_alive) == ({"cyclic": 5}, True)


def test_a_closed_recorder_goes_on_as_another_writer(tmp_path):
    recorder = Recorder(tmp_path, 1 << 20, 0.01)
    writers = []
    for number in range(3):
        recorder.record(event(number), "test")
        writers.append(recorder.spool.writer)
        recorder.close()
    door = FakeDoor()
    shipper = Shipper(tmp_path, door)

    shipper.ship()
    shipper.report()

    assert len(set(writers)) == 3
    assert sorted(door.accounts) == sorted(writers)
    assert all(door.account(writer).stored == 1 for writer in writers)


def test_figures_that_a_power_cut_cut_off_are_no_figures_and_stay_in_nobodys_way(tmp_path):
    figures = FiguresFile(tmp_path, "0" * 36)
    figures.write(WriterFigures(5, {}, 5))
    figures.close()
    (path,) = tmp_path.glob("*.figures")
    path.write_bytes(path.read_bytes()[:-3])
    door = FakeDoor()

    Shipper(tmp_path, door).ship()

    assert read_figures(tmp_path, "0" * 36) == (None, False)
    assert list(tmp_path.iterdir()) == []


def test_a_segment_that_cannot_be_read_holds_up_no_other_writer(tmp_path, monkeypatch):
    broken = Spool(tmp_path, 1 << 20)
    broken.write(b'{"n":1}')
    sound = Spool(tmp_path, 1 << 20)
    sound.write(b'{"n":2}')
    real = os.pread
    inode = (tmp_path / str(SegmentName(broken.writer, 1))).stat().st_ino

    def failing(file: int, size: int, offset: int) -> bytes:
        if os.fstat(file).st_ino == inode:
            raise OSError(5, "Input/output error")
        return real(file, size, offset)

    monkeypatch.setattr(os, "pread", failing)
    door = FakeDoor()

    Shipper(tmp_path, door).ship()

    assert [line["writer"] for line in door.lines] == [sound.writer]


def test_on_a_full_disk_what_is_shipped_still_makes_room(tmp_path, monkeypatch):
    spool = Spool(tmp_path, 1 << 20)
    for number in range(10):
        spool.write(b'{"n":%d}' % number)
    spool.close()
    monkeypatch.setattr(os, "pwrite", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    door = FakeDoor()

    Shipper(tmp_path, door).ship()

    assert door.sequences() == list(range(1, 11))
    assert list_segments(tmp_path) == []


def test_a_record_that_comes_twice_is_shipped_once(tmp_path):
    lines = {sequence: b'{"writer":"%b","sequence":%d}' % (b"0" * 36, sequence) for sequence in (1, 2, 3)}
    data = b"".join(frame(sequence, lines[sequence]) for sequence in (1, 2, 1, 2, 3))
    (tmp_path / str(SegmentName("0" * 36, 1))).write_bytes(data)
    door = FakeDoor()

    Shipper(tmp_path, door).ship()

    assert door.sequences() == [1, 2, 3]


def run(folder: Path, body: str) -> str:
    """Run ``body`` in a process of its own, where it may set limits; return what it printed."""
    head = (
        "import resource, sys\nfrom pathlib import Path\nfrom ml_pipeline.online.recording.spool import Spool\n"
        "folder = Path(sys.argv[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(body), str(folder)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout.strip()
