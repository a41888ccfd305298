"""What the command line reads and writes: one statement each, as values."""

from datetime import datetime
from typing import Any

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries

Row = dict[str, Any]


def captured_conversations(tx: Transaction, source: str) -> frozenset[str]:
    """Return the UUIDs of the source's conversations that are complete."""
    return frozenset(row["conversation_id"] for row in queries("summary").captured_conversations(tx, source=source))


def other_sources(tx: Transaction, source: str) -> dict[str, int]:
    """Return how many conversations of each other source the database holds."""
    return {row["source"]: row["conversations"] for row in queries("summary").other_sources(tx, source=source)}


def champions(tx: Transaction) -> set[str]:
    """Return the versions that answer now."""
    return {row["version"] for row in queries("summary").champions(tx)}


def read_all(tx: Transaction, source: str, served_since: datetime) -> dict[str, Any]:
    """Return every figure of the summary that stands in Postgres, by section."""
    named = queries("summary")
    return {
        "facts": dict(named.facts_of(tx, source=source)),
        "events": dict(named.conservation(tx)),
        "quality": dict(named.quality(tx)),
        "failed_checks": [dict(row) for row in named.failed_checks(tx)],
        "drift": [dict(row) for row in named.drift(tx)],
        "metrics": [dict(row) for row in named.metrics(tx)],
        "served": [dict(row) for row in named.served(tx, source=source, since=served_since)],
        "champions": [dict(row) for row in named.champions(tx)],
    }


def running_versions(tx: Transaction) -> list[Row]:
    """Return what runs now, task by task: version, state, traffic_share, since, and by whom and why."""
    return [dict(row) for row in queries("summary").running_versions(tx)]


def set_kill_switch(tx: Transaction, name: str, *, is_on: bool, reason: str, actor: str, subject: str) -> None:
    """Record the act and publish the policy that obeys it; ``is_on`` says that what it names is off."""
    queries("switches").set_kill_switch(tx, name=name, is_on=is_on, reason=reason, actor=actor, subject=subject)


def kill_switches(tx: Transaction) -> list[Row]:
    """Return how each kill switch stands that was ever touched: name, subject, is_on, reason, actor, set_at."""
    return [dict(row) for row in queries("switches").kill_switches(tx)]


def experiment_names(tx: Transaction) -> list[str]:
    return [row["name"] for row in queries("switches").experiments(tx)]


def experiments_left_out(tx: Transaction) -> list[Row]:
    """Return name and fault of the running experiments that the policy in force leaves out."""
    return [dict(row) for row in queries("switches").left_out(tx)]


def current_rates(tx: Transaction) -> list[Row]:
    """Return the newest rates of all windows and slices."""
    return [dict(row) for row in queries("maturity").current_rates(tx)]


def reconcile_writers(tx: Transaction) -> list[Row]:
    """Return where a writer's counters and its rows disagree: writer, rule, counted, found."""
    return [dict(row) for row in queries("status").reconcile_writers(tx)]


def count_rejected(tx: Transaction, since: datetime, reason: str | None) -> list[Row]:
    """Return how many events were seen and rejected: refused_by, reason, events, latest; the most frequent first."""
    return [dict(row) for row in queries("rejected").count_rejected(tx, since=since, reason=reason)]


def list_rejected(tx: Transaction, since: datetime, reason: str | None, limit: int) -> list[Row]:
    """Return the latest: seen_at, refused_by, reason, event_id, event_type; of the door also writer and sequence."""
    return [dict(row) for row in queries("rejected").list_rejected(tx, since=since, reason=reason, limit=limit)]


def truths_told(tx: Transaction, conversation_id: str, as_of: datetime | None) -> list[Row]:
    """Return what was told of a conversation by ``as_of``, in the order it was learnt; all of it where that is None."""
    rows = queries("outcomes").told(tx, conversation_id=conversation_id, as_of=as_of or "infinity")
    return [dict(row) for row in rows]


def sale_of(tx: Transaction, conversation_id: str, as_of: datetime | None) -> Row | None:
    """Return a conversation and what was known of its sale at ``as_of``; None where there is no conversation."""
    found = queries("outcomes").sale(tx, conversation_id=conversation_id, as_of=as_of or "infinity")
    return dict(found) if found else None


def count_unmatched(tx: Transaction, expired_before: datetime) -> list[Row]:
    """Return how many truths lack their conversation: kind, source, is_expired, truths, oldest."""
    return [dict(row) for row in queries("outcomes").count_unmatched(tx, expired_before=expired_before)]


def list_unmatched(tx: Transaction, expired_before: datetime, limit: int) -> list[Row]:
    """Return the truths that wait for their conversation, the longest first."""
    return [dict(row) for row in queries("outcomes").list_unmatched(tx, expired_before=expired_before, limit=limit)]
