"""One round: agents talk, things go wrong, everything is started again and drained, and the evidence is gathered."""

import contextlib
import random
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from ml_pipeline.online.recording.segments import list_segments
from ml_pipeline.stack.processes import last_lines
from tests.torture.acts import Acts
from tests.torture.checker import Evidence
from tests.torture.crew import Crew
from tests.torture.evidence import read_ledger, read_rejected, read_rows, read_writers
from tests.torture.plan import Plan
from tests.torture.spool_disk import can_mount, small_disk
from tests.torture.stand import Stand
from tests.torture.waiting import StuckError, wait_until

ALWAYS_THERE = {"quarantine", "shipper.lock", "shipper.log"}
WAITING = {".seg", ".dropped", ".figures"}
"""What the next shipper still has to do something about."""


def play(stand: Stand, plan: Plan) -> Evidence:
    """Play the round of ``plan`` on a database and in a folder of its own; return what is to be judged.

    Raises:
        StuckError: if something that must end, or be drained, is not.
    """
    folder = Path(tempfile.mkdtemp(prefix="mlp-round-"))
    try:
        is_small = plan.disk == "small" and can_mount(folder / "mount")
        if plan.disk == "small" and not is_small:
            plan = replace(plan, disk="limited")
        with stand.database() as database, small_disk(folder / "spool") if is_small else contextlib.nullcontext():
            return _Round(stand, database, plan, folder).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Round:
    def __init__(self, stand: Stand, database: str, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._stand = stand
        self._owner_dsn = stand.server.dsn(database)
        settings = {
            "CAPTURE_DSN": stand.server.dsn(database, role="ml_capture", password="ml_capture"),
            "SPOOL_MAX_BYTES": str(plan.spool_max_bytes),
            "SPOOL_WHEN_FULL": plan.when_full,
        }
        self._crew = Crew(folder, plan.disk, settings)
        self._acts = Acts(self._crew, stand, self._owner_dsn, random.Random(f"acts {plan.seed}"))

    def run(self) -> Evidence:
        try:
            self._talk_and_suffer()
            self._recover()
            return self._evidence()
        except StuckError as error:
            said = [f"{error}; in the spool: {' '.join(self._files())}", *last_lines(self._crew.said, 8)]
            raise StuckError("\n      ".join(said)) from error
        finally:
            self._crew.end()

    def _talk_and_suffer(self) -> None:
        if not self._plan.is_database_up:
            self._stand.stop()
        self._crew.start_agents(self._plan.agents)
        wait_until(lambda: list_segments(self._crew.spool) or not self._crew.living(), "agents write nothing")
        self._crew.start_shipper()
        start = time.monotonic()
        for act in self._plan.acts:
            time.sleep(max(0.0, start + act.at - time.monotonic()))
            getattr(self._acts, act.name)()
        time.sleep(max(0.0, start + self._plan.seconds - time.monotonic()))

    def _recover(self) -> None:
        """Mend what is broken, start again what died, let it end in order, and ship what is left."""
        self._acts.mend()
        self._crew.restart_agents()
        time.sleep(0.2)
        self._crew.let_agents_end()
        wait_until(self._is_drained, "the spool is not drained", 40)
        wait_until(lambda: not self._crew.shippers(), "a shipper does not end")

    def _is_drained(self) -> bool:
        if not any(Path(name).suffix in WAITING for name in self._files()):
            return True
        if not self._crew.shippers():
            self._crew.start_shipper()
        return False

    def _files(self) -> list[str]:
        return sorted(path.name for path in self._crew.spool.iterdir()) if self._crew.spool.is_dir() else []

    def _evidence(self) -> Evidence:
        plan, told, destroyed = self._plan, self._crew.told, self._acts.destroyed
        return Evidence(
            offers=tuple(told.offers.values()),
            rows=read_rows(self._owner_dsn),
            rejected=read_rejected(self._owner_dsn),
            writers=read_writers(self._owner_dsn),
            ledger=read_ledger(self._owner_dsn),
            destroyed=frozenset(destroyed),
            figures=tuple(told.figures),
            raised=tuple(told.raised),
            # A file whose maker died before it could name it is removed a minute later.
            left=tuple(name for name in self._files() if name not in ALWAYS_THERE and not name.endswith(".new")),
            may_drop=plan.when_full == "drop_oldest",
            keeps_all=plan.disk == "sound" and not destroyed and plan.spool_max_bytes == 1 << 30,
        )
