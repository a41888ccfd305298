import os
import shutil
import stat
from collections import namedtuple
from pathlib import Path

import pytest

from ml_pipeline.errors import StackError
from ml_pipeline.stack.processes import Child, describe
from ml_pipeline.stack.state import Lock, State


@pytest.fixture
def state(tmp_path: Path) -> State:
    fresh = State(tmp_path / ".local")
    fresh.prepare()
    return fresh


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_made_once_and_differ_from_each_other(state: State):
    first = state.secrets()

    assert state.secrets() == first
    values = [getattr(first, name) for name in first.__struct_fields__]
    assert len(set(values)) == len(values)
    assert min(len(value) for value in values) >= 12


def test_only_the_owner_can_read_what_is_kept(state: State):
    state.secrets()
    state.remember_ports({"postgres": 1})

    files = [path for path in state.root.rglob("*") if path.is_file()]
    folders = [path for path in state.root.iterdir() if path.is_dir()]
    assert {mode(path) for path in files} == {0o600}
    assert {mode(path) for path in folders} == {0o700}
    assert mode(state.root) == 0o711


def test_a_full_disk_is_refused_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 10**6, 10**6))

    with pytest.raises(StackError, match="1 MB free on the disk"):
        State(tmp_path / ".local").prepare()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StackError, match=rf"cannot write {tmp_path}/file/\.local"):
        State(tmp_path / "file" / ".local").prepare()


def test_a_second_supervisor_does_not_get_the_lock_and_learns_who_has_it(state: State):
    first, second = Lock(state), Lock(state)
    assert first.take()
    first.sign(describe("supervisor", os.getpid()))

    refused = not second.take()
    holder = second.holder()
    first.release()

    assert refused
    assert holder is not None
    assert holder.pid == os.getpid()
    assert second.take()


def test_a_holder_that_is_gone_is_no_holder(state: State):
    lock = Lock(state)
    lock.take()
    lock.sign(Child("supervisor", os.getpid(), created=1.0))

    assert lock.holder() is None


def test_removing_takes_the_cluster_elsewhere_with_it(state: State, tmp_path: Path):
    elsewhere = tmp_path / "elsewhere" / "postgres"
    elsewhere.mkdir(parents=True)
    (state.root / "postgres.elsewhere").write_text(str(elsewhere))

    state.remove()

    assert not elsewhere.parent.exists()
    assert not state.root.exists()
