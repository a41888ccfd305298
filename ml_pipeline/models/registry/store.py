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
