"""Agents in processes of their own, and what became of what they recorded."""

import subprocess
import sys
import textwrap
import time
from pathlib import Path

from ml_pipeline.online.recording.shipping import is_anything_left
from tests.conftest import Database
from tests.torture.evidence import read_rows


def run_agent(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``script`` to its end; it prints the ids it was told, one a line."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        timeout=60, check=False, capture_output=True, text=True,
    )  # fmt: skip


def start_agent(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Start ``script`` in a session of its own, and return once it has said ``up``."""
    agent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert agent.stdout is not None
    assert agent.stdout.readline() == "up\n"
    return agent


def ship(spool: Path) -> None:
    """Do what the next start does: run a shipper until the spool is empty; one may be at work already."""
    while is_anything_left(spool):
        subprocess.run(
            [sys.executable, "-m", "ml_pipeline.online.recording.shipper", str(spool)], timeout=60, check=True
        )
        time.sleep(0.05)


def logged(database: Database) -> list[str]:
    """The ids of the agents' own events in the log, sorted."""
    return sorted(row.id for row in read_rows(database.owner_dsn) if row.key.startswith("seen"))
