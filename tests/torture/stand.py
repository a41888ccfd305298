"""The server of the chamber: it may be killed, and comes back."""

import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml_pipeline.database.migrations import upgrade
from ml_pipeline.stack.postgres import Postgres
from tests.conftest import free_port, run_as_owner
from tests.torture.waiting import wait_until

CONFIGURATION = {"fsync": "off", "synchronous_commit": "off", "shared_buffers": "64MB"}
"""The machine itself never dies here, so nothing needs to reach the platter. Commits that wait for nobody are what a
hasty operator sets; the shipper, which deletes what is committed, must not trust them."""


class Stand:
    """A Postgres with a template of the schema, and a database per round."""

    def __init__(self, server: Postgres) -> None:
        self.server = server

    def start(self) -> None:
        """Start the server unless it runs."""
        if self.server.pid() is None:
            self.server.start(**CONFIGURATION)

    def stop(self) -> None:
        """Stop it at once (``pg_ctl -m immediate``), without a checkpoint: the next start recovers."""
        self._signal(signal.SIGQUIT)

    def kill(self) -> None:
        """Kill the server's first process; its others notice."""
        self._signal(signal.SIGKILL)

    def _signal(self, sent: signal.Signals) -> None:
        if (pid := self.server.pid()) is not None:
            os.kill(pid, sent)
            wait_until(lambda: self.server.pid() is None, f"the server does not end at {sent.name}")

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make a database of the current schema; yield its name; the server may have died meanwhile."""
        self.start()
        name = f"round_{uuid.uuid4().hex[:12]}"
        run_as_owner(self.server.dsn(), f"CREATE DATABASE {name} TEMPLATE template_pipeline STRATEGY wal_log")
        try:
            yield name
        finally:
            self.start()
            run_as_owner(self.server.dsn(), f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def stand() -> Iterator[Stand]:
    """Start a server with a template database; remove it in the end."""
    # World-reachable: root starts the server as another user.
    folder = Path(tempfile.mkdtemp(prefix="mlp-torture-"))
    folder.chmod(0o755)
    server = Postgres(folder / "cluster", free_port())
    server.initialize()
    made = Stand(server)
    try:
        made.start()
        run_as_owner(server.dsn(), "CREATE DATABASE template_pipeline")
        upgrade(server.dsn("template_pipeline"))
        run_as_owner(server.dsn(), "ALTER ROLE ml_capture PASSWORD 'ml_capture'")
        yield made
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
