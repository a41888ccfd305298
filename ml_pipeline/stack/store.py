"""Roles and databases of a Postgres, spoken to as the server's owner."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

from ml_pipeline.database.migrations import upgrade
from ml_pipeline.database.named_sql import queries
from ml_pipeline.errors import DatabaseError

PIPELINE = "ml_pipeline"
PIPELINE_ROLES = ("ml_capture", "ml_jobs", "ml_dashboards")
PROGRAMS = ("airflow", "mlflow")
"""Programs with a database and a role of their own, both of the program's name."""


class Databases:
    """The databases of one running server.

    ``owner_dsn`` is a superuser's URL of any database; ``passwords`` has one entry per role.

    Raises:
        DatabaseError: from every method, if the server cannot be reached or refuses.
    """

    def __init__(self, owner_dsn: str, passwords: Mapping[str, str]) -> None:
        self._owner_dsn = owner_dsn
        self._passwords = passwords

    def make_programs(self, *, remake_unfinished: bool = False) -> None:
        """Make the databases of Airflow and MLflow, empty.

        ``remake_unfinished`` drops one whose program never completed its schema: only where we record that.
        """
        with self._owner() as run:
            for name in PROGRAMS:
                run("create_role", role=name)
                run("set_password", role=name, password=self._passwords[name])
                if remake_unfinished:
                    run("drop_unfinished_database", database=name)
                run("create_database", database=name, owner=name)
                run("close_database", database=name)

    def make_pipeline(self) -> None:
        """Make our database, bring it to the newest schema, give the three roles their passwords."""
        owner = urlsplit(self._owner_dsn)
        with self._owner() as run:
            run("create_database", database=PIPELINE, owner=owner.username or "")
            upgrade(owner._replace(path=f"/{PIPELINE}").geturl())
            run("close_database", database=PIPELINE)
            for role in PIPELINE_ROLES:
                run("set_password", role=role, password=self._passwords[role])
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
        server = urlsplit(self._owner_dsn)
        place = server.netloc.rpartition("@")[2]
        return f"postgresql://{role}:{quote(self._passwords[role], safe='')}@{place}/{database or role}"

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        import psycopg2

        try:
            connection = psycopg2.connect(self._owner_dsn, connect_timeout=10)
        except psycopg2.OperationalError as error:
            raise DatabaseError(f"Postgres does not answer as its owner: {error}") from error
        connection.autocommit = True
        try:
            yield connection
        except psycopg2.Error as error:
            raise DatabaseError(f"Postgres refuses: {error}") from error
        finally:
            connection.close()

    @contextmanager
    def _owner(self) -> Iterator[Callable[..., None]]:
        with self._connection() as connection, connection.cursor() as cursor:

            def run(statement: str, **values: str) -> None:
                if written := getattr(queries("stack"), statement)(connection, **values):
                    cursor.execute(written)

            yield run
