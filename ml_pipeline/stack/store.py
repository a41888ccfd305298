"""Roles and databases of the cluster, spoken to as its owner."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ml_pipeline.database.migrations import upgrade
from ml_pipeline.database.named_sql import queries
from ml_pipeline.errors import StackError
from ml_pipeline.stack.postgres import OWNER, Postgres
from ml_pipeline.stack.state import Secrets

PIPELINE = "ml_pipeline"
PIPELINE_ROLES = ("ml_capture", "ml_jobs", "ml_dashboards")
PROGRAMS = ("airflow", "mlflow")
"""Programs with a database and a role of their own, both of the program's name."""


class Databases:
    """The databases of one running cluster."""

    def __init__(self, server: Postgres, secrets: Secrets) -> None:
        self._server = server
        self._secrets = secrets

    def make_programs(self) -> None:
        """Make the databases of Airflow and MLflow, empty; one that was cut off half-made is made again."""
        with self._owner() as run:
            for name in PROGRAMS:
                run("create_role", role=name)
                run("set_password", role=name, password=getattr(self._secrets, name))
                run("drop_unfinished_database", database=name)
                run("create_database", database=name, owner=name)
                run("close_database", database=name)

    def make_pipeline(self) -> None:
        """Make our database, bring it to the newest schema, give the three roles their passwords."""
        with self._owner() as run:
            run("create_database", database=PIPELINE, owner=OWNER)
            upgrade(self._server.dsn(PIPELINE))
            run("close_database", database=PIPELINE)
            for role in PIPELINE_ROLES:
                run("set_password", role=role, password=getattr(self._secrets, role))
                run("admit", database=PIPELINE, role=role)

    def schema_version(self, program: str) -> str | None:
        """Return the version of the program that completed its schema, None if none did."""
        with self._connection() as connection:
            found = queries("stack").schema_version(connection, database=program)
            return None if found is None else str(found)

    def record_schema_version(self, program: str, version: str) -> None:
        with self._owner() as run:
            run("record_schema_version", database=program, version=version)

    def dsn(self, role: str, database: str | None = None) -> str:
        """Return the URL under which ``role`` reaches its database."""
        return self._server.dsn(database or role, role=role, password=getattr(self._secrets, role))

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        import psycopg2

        try:
            connection = psycopg2.connect(self._server.dsn(), connect_timeout=10)
        except psycopg2.OperationalError as error:
            raise StackError(f"Postgres does not answer: {error}; see {self._server.log}") from error
        connection.autocommit = True
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def _owner(self) -> Iterator[Any]:
        with self._connection() as connection, connection.cursor() as cursor:

            def run(statement: str, **values: str) -> None:
                if written := getattr(queries("stack"), statement)(connection, **values):
                    cursor.execute(written)

            yield run
