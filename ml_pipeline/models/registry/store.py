"""What MLflow should say, what we last made it say, and what was found otherwise. Nothing here commits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries
from ml_pipeline.models.registry.aliases import ALIASES, Ours
from ml_pipeline.models.registry.version import Registered

ACTOR = "mirror_registry"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the aliases of a registered model should name: numbers by alias; None: nobody."""

    model: str
    aliases: Mapping[str, int | None]


def lock(tx: Transaction) -> None:
    """Wait until nobody else mirrors; until the end of the transaction."""
    queries("registry").lock(tx)


def wanted(tx: Transaction) -> list[Wanted]:
    """Return it of every model of which a version ever held a state."""
    return [
        Wanted(row["model"], {alias: Registered.named(row[alias]).number if row[alias] else None for alias in ALIASES})
        for row in queries("registry").wanted(tx)
    ]


def ours(tx: Transaction, model: str) -> dict[str, tuple[Ours, datetime]]:
    """Return per alias that we ever set what we made it name, and when."""
    return {
        row["alias"]: (frozenset(row["names"]), row["mirrored_at"]) for row in queries("registry").ours(tx, model=model)
    }


def begin_setting(tx: Transaction, model: str, alias: str, number: int | None) -> None:
    queries("registry").begin_setting(tx, model=model, alias=alias, number=number)


def remember(tx: Transaction, model: str, alias: str, number: int | None) -> None:
    """Keep that the alias names ``number`` now, by our doing."""
    queries("registry").remember(tx, model=model, alias=alias, number=number)


def record_moved(
    tx: Transaction, decision: UUID, moved: Registered, evidence: Mapping[str, Any], *, verdict: str
) -> None:
    """Record that somebody moved an alias; under one ``decision`` once, however often it is tried."""
    task, _, mode = moved.model.partition(".")
    named = moved.name if moved.number else ""
    queries("registry").record_moved(
        tx,
        decision=str(decision),
        task=task,
        mode=mode,
        version=named,
        verdict=verdict,
        reason=f"somebody gave the alias {evidence['alias']} to {named or 'nobody'}",
        evidence=msgspec.json.encode(dict(evidence)).decode(),
        actor=ACTOR,
    )


@dataclass(frozen=True, slots=True)
class Due:
    """A version that retention may delete. ``last_at``: of the last decision about it; ``bytes``: of its bundle."""

    version: str
    last_at: datetime
    bytes: int


def due(tx: Transaction, before: datetime, keep_newest: int) -> list[Due]:
    """Return what is due: nothing happened to it since ``before``, and ``keep_newest`` of its task are newer.

    What holds a state, is barred, or would serve after a rollback never is.
    """
    return [Due(**row) for row in queries("registry").due(tx, before=before, keep_newest=keep_newest)]


def delete_due(tx: Transaction, before: datetime, keep_newest: int, *, because: str, actor: str) -> list[str]:
    """Delete the bundles of what is due, each with a decision; return the versions."""
    deleted: list[str] = queries("registry").delete_due(
        tx, before=before, keep_newest=keep_newest, because=because, actor=actor
    )
    return deleted


def deleted(tx: Transaction) -> list[Registered]:
    """Return every version that retention ever deleted."""
    return [Registered.named(row["version"]) for row in queries("registry").deleted(tx)]
