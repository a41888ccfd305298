import subprocess

import psycopg2

from ml_pipeline.database.resources import sql_root
from ml_pipeline.stack.postgres import binaries
from tests.conftest import run_as_owner


def dump(dsn: str) -> str:
    done = subprocess.run(
        [binaries() / "pg_dump", "--schema-only", "--restrict-key=same", "--exclude-table=alembic_version", dsn],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_the_migrations_lead_to_the_schema_file(cluster, database):
    run_as_owner(cluster.dsn(), "CREATE DATABASE from_schema_file")
    target = cluster.dsn("from_schema_file")
    run_as_owner(target, (sql_root() / "schema.sql").read_text())

    assert dump(database.owner_dsn) == dump(target)


def test_the_agents_role_may_call_the_door_and_nothing_else(database):
    with psycopg2.connect(database.capture_dsn) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT append_events('[]')")
        counts = cursor.fetchone()
        cursor.execute(
            "SELECT table_name FROM information_schema.role_table_grants WHERE grantee = 'ml_capture' ORDER BY 1"
        )
        readable = [name for (name,) in cursor.fetchall()]

    assert counts == ({"stored": 0, "duplicate": 0, "rejected": 0, "writers": {}},)
    assert [name for name in readable if not name.startswith("facade_")] == ["model_bundles", "policy"]
