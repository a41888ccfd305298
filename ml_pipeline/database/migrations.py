from ml_pipeline.database.resources import sql_root


def upgrade(dsn: str) -> None:
    """Bring the schema of the database at ``dsn`` (its owner's URL) to the newest version, forward only.

    Runs at most once at a time: others wait on an advisory lock.
    """
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.engine import make_url
    from sqlalchemy.pool import NullPool

    config = Config()
    config.set_main_option("script_location", str(sql_root() / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    engine = create_engine(make_url(dsn).set(drivername="postgresql+psycopg2"), poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT pg_advisory_lock(hashtext('ml_pipeline.migrations'))")
        connection.exec_driver_sql((sql_root() / "roles.sql").read_text(encoding="utf-8").replace("%", "%%"))
        connection.commit()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
