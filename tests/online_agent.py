"""An agent without a database, and what it put on disk."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ml_pipeline import MLPipelineService
from ml_pipeline.online.recording.segments import list_segments, scan

NOWHERE = "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1"
"""Nothing listens there: Postgres is away."""

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@asynccontextmanager
async def offline_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **settings: str
) -> AsyncIterator[MLPipelineService]:
    """A service whose Postgres is away and whose events nobody ships."""
    for name, value in {
        "cache": str(tmp_path / "cache"),
        "shipper": "none",
        "customer_key": "secret",
        **settings,
    }.items():
        monkeypatch.setenv(f"ML_PIPELINE_{name.upper()}", value)
    async with MLPipelineService(dsn=NOWHERE, spool=tmp_path / "spool", clock=Clock()) as service:
        yield service


def recorded(tmp_path: Path, event_type: str | None = None) -> list[dict[str, Any]]:
    """What is on disk, in the order of writing: of one type, or all but errors."""
    lines = []
    for name in list_segments(tmp_path / "spool"):
        found = scan((tmp_path / "spool" / str(name)).read_bytes())
        lines += [msgspec.json.decode(body) for sequence, body, _ in found.records if sequence]
    return [
        line for line in lines if (line["event_type"] == event_type if event_type else line["event_type"] != "error")
    ]


def messages(*contents: str) -> list[dict[str, Any]]:
    """A dialogue, customer first, a message every ten seconds."""
    return [
        {
            "role": "assistant" if turn % 2 else "user",
            "content": content,
            "timestamp": (START + timedelta(seconds=10 * turn)).isoformat(),
        }
        for turn, content in enumerate(contents)
    ]
