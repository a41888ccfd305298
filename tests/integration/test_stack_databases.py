from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from ml_pipeline.errors import DatabaseError
from ml_pipeline.stack.postgres import Postgres
from ml_pipeline.stack.store import PIPELINE, PIPELINE_ROLES, PROGRAMS, Databases
from tests.conftest import run_as_owner

PASSWORDS = {role: f"{role}-s3cret'\"%" for role in (*PIPELINE_ROLES, *PROGRAMS)}


@pytest.fixture
def databases(cluster: Postgres) -> Iterator[Databases]:
    """The databases made on the run's own cluster; its roles get the passwords other tests use back."""
    yield Databases(cluster.dsn(), PASSWORDS)
    run_as_owner(
        cluster.dsn(),
        *(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)" for name in (PIPELINE, *PROGRAMS)),
        *(f"DROP ROLE IF EXISTS {name}" for name in PROGRAMS),
        *(f"ALTER ROLE {role} PASSWORD '{role}'" for role in PIPELINE_ROLES),
    )


def value(dsn: str, statement: str) -> Any:
    connection = psycopg2.connect(dsn)
    try:
        cursor = connection.cursor()
        cursor.execute(statement)
        (found,) = cursor.fetchall()[0]
        return found
    finally:
        connection.close()


def test_every_role_reaches_its_own_database_and_no_other(databases: Databases):
    databases.make_programs()
    databases.make_pipeline()

    for role in PROGRAMS:
        assert value(databases.dsn(role), "SELECT current_database()") == role
        with pytest.raises(psycopg2.OperationalError, match="permission denied"):
            psycopg2.connect(databases.dsn(role, PIPELINE))
    for role in PIPELINE_ROLES:
        assert value(databases.dsn(role, PIPELINE), "SELECT current_user") == role
        with pytest.raises(psycopg2.OperationalError, match="permission denied"):
            psycopg2.connect(databases.dsn(role, "airflow"))


def test_no_role_is_more_than_it_needs(databases: Databases, cluster: Postgres):
    databases.make_programs()
    databases.make_pipeline()

    mighty = value(
        cluster.dsn(),
        "SELECT count(*) FROM pg_roles WHERE (rolsuper OR rolcreatedb OR rolcreaterole)"
        " AND rolname NOT LIKE 'pg\\_%' AND rolname <> 'postgres'",
    )

    assert mighty == 0


def test_making_them_again_keeps_what_they_hold(databases: Databases):
    databases.make_programs()
    run_as_owner(databases.dsn("airflow"), "CREATE TABLE kept (n int)")

    databases.make_programs()

    assert value(databases.dsn("airflow"), "SELECT count(*) FROM kept") == 0


def test_the_embedded_stack_makes_a_database_again_whose_schema_was_never_completed(databases: Databases):
    databases.make_programs()
    run_as_owner(databases.dsn("airflow"), "CREATE TABLE half_made (n int)")
    run_as_owner(databases.dsn("mlflow"), "CREATE TABLE complete (n int)")
    databases.record_schema_version("mlflow", "3.17.2")

    databases.make_programs(remake_unfinished=True)

    assert value(databases.dsn("airflow"), "SELECT count(*) FROM pg_tables WHERE tablename = 'half_made'") == 0
    assert value(databases.dsn("mlflow"), "SELECT count(*) FROM complete") == 0
    assert databases.schema_version("mlflow") == "3.17.2"
    assert databases.schema_version("airflow") is None


def test_a_server_that_does_not_answer_is_told():
    with pytest.raises(DatabaseError, match="does not answer"):
        Databases("postgresql://postgres:x@127.0.0.1:1/postgres", PASSWORDS).make_programs()
