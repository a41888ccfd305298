"""One Postgres for the whole run, a template database cloned per test."""

import shutil
import socket
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from ml_pipeline.database.migrations import upgrade
from ml_pipeline.stack.postgres import Postgres

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_as_owner(dsn: str, *statements: str) -> None:
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    try:
        for statement in statements:
            connection.cursor().execute(statement)
    finally:
        connection.close()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Postgres]:
    """One server per run: each xdist worker takes its own, for starting one costs 2 s and sharing costs locks."""
    # Short and world-reachable: pytest's own folders are 0700, and root starts the server as another user.
    folder = Path(tempfile.mkdtemp(prefix="mlp-pg-"))
    folder.chmod(0o755)
    server = Postgres(folder / "cluster", free_port())
    server.initialize()
    server.start(fsync="off", full_page_writes="off", synchronous_commit="off", shared_buffers="64MB")
    try:
        run_as_owner(server.dsn(), "CREATE DATABASE template_pipeline")
        upgrade(server.dsn("template_pipeline"))
        run_as_owner(
            server.dsn(),
            *(f"ALTER ROLE {role} PASSWORD '{role}'" for role in ("ml_capture", "ml_jobs", "ml_dashboards")),
        )
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Database:
    """A fresh database of the current schema, and its URL per role."""

    def __init__(self, cluster: Postgres, name: str) -> None:
        self._cluster = cluster
        self.name = name
        self.owner_dsn = cluster.dsn(name)
        self.jobs_dsn = self._dsn("ml_jobs")
        self.capture_dsn = self._dsn("ml_capture")
        self.dashboards_dsn = self._dsn("ml_dashboards")

    def _dsn(self, role: str) -> str:
        return self._cluster.dsn(self.name, role=role, password=role)


@pytest.fixture
def database(cluster: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Database]:
    """A fresh database per test; the process's settings point at it, and at folders of its own."""
    with made_database(cluster) as fresh:
        point_settings_at(fresh, monkeypatch, tmp_path)
        yield fresh


@pytest.fixture(scope="module")
def kept_database(cluster: Postgres) -> Iterator[Database]:
    with made_database(cluster) as kept:
        yield kept


@pytest.fixture
def emptied_database(kept_database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Database:
    """One database for all tests of a module, emptied before each: for many short tests, as making one takes longer."""
    run_as_owner(kept_database.owner_dsn, EMPTY)
    point_settings_at(kept_database, monkeypatch, tmp_path)
    return kept_database


EMPTY = """
DO $$
DECLARE
    each regclass;
BEGIN
    SET LOCAL session_replication_role = replica;  -- in any order, whatever refers to whatever
    FOR each IN SELECT oid FROM pg_class
                WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
                  AND relname NOT IN ('alembic_version', 'fact_consumers', 'log_limits') LOOP
        EXECUTE format('DELETE FROM %s', each);
    END LOOP;
END $$
"""


@contextmanager
def made_database(cluster: Postgres) -> Iterator[Database]:
    from ml_pipeline.database.engine import engine

    fresh = Database(cluster, f"test_{uuid.uuid4().hex[:12]}")
    run_as_owner(cluster.dsn(), f"CREATE DATABASE {fresh.name} TEMPLATE template_pipeline STRATEGY wal_log")
    yield fresh
    for dsn in (fresh.jobs_dsn, fresh.capture_dsn, fresh.owner_dsn, fresh.dashboards_dsn):
        engine(dsn).dispose()
    run_as_owner(cluster.dsn(), f"DROP DATABASE {fresh.name} WITH (FORCE)")


def point_settings_at(database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ML_PIPELINE_JOBS_DSN", database.jobs_dsn)
    monkeypatch.setenv("ML_PIPELINE_CAPTURE_DSN", database.capture_dsn)
    monkeypatch.setenv("ML_PIPELINE_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("ML_PIPELINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ML_PIPELINE_DATA_DOCS", str(tmp_path / "data_docs"))


@pytest.fixture
def persuasion() -> Path:
    """The real P4G dialogues."""
    return real_data("persuasionforgood")


@pytest.fixture
def casino() -> Path:
    """The real CaSiNo dialogues."""
    return real_data("casino")


def real_data(name: str) -> Path:
    folder = SHARED_DATA / name
    if not folder.is_dir():
        pytest.skip(f"no real data at ../shared/data/{name}: this test reads the public dialogue set")
    return folder
