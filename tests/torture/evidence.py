"""Gathers what the checker judges: what agents told, and what the database holds."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec
import psycopg2
from psycopg2.extras import RealDictCursor

from tests.torture.checker import Figures, Offer, Rejected, Row, Writer

ROWS = """
    SELECT id::text, writer::text, sequence, event_type AS type, client_id AS conversation,
           data ->> 'agent' AS agent, data ->> 'n' AS n, data ->> 'turn' AS turn, data ->> 'task' AS task
    FROM ml_tracking_events
"""
REJECTED = "SELECT writer::text, sequence, coalesce(line ->> 'id', line #>> '{}') AS line FROM rejected_events"
WRITERS = """
    SELECT writer::text, offered, accepted_sequence AS accepted, stored, duplicate, rejected, quarantined, dropped,
           missing,
           (SELECT coalesce(sum(value::bigint), 0)::bigint FROM jsonb_each_text(refused)) AS refused
    FROM capture_writers
"""
LEDGER = "SELECT unnest(ids)::text AS id FROM log_ledger"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Told(msgspec.Struct):
    """What the agents of a round said."""

    offers: dict[tuple[str, int], Offer] = msgspec.field(default_factory=dict)
    figures: list[Figures] = msgspec.field(default_factory=list)
    raised: list[str] = msgspec.field(default_factory=list)
    refused: int = 0
    """Calls that returned no id."""

    def hear(self, line: bytes) -> None:
        what, *said = msgspec.json.decode(line)
        if what == "offer":
            name, number, keys, is_rejected = said
            self.offers[name, number] = Offer(tuple(keys), None, is_rejected=is_rejected)
        elif what == "told":
            name, number, event = said
            self.offers[name, number] = replace(self.offers[name, number], told=event)
            self.refused += event is None
        elif what == "done":
            name, number = said
            self.offers[name, number] = replace(self.offers[name, number], is_done=True)
        elif what == "figures":
            self.figures.append(Figures(*said))
        elif what == "raised":
            self.raised.append(" ".join(map(str, said)))


def read_rows(dsn: str) -> tuple[Row, ...]:
    return tuple(Row(row["id"], row["writer"], row["sequence"], _key(row)) for row in _query(dsn, ROWS))


def read_rejected(dsn: str) -> tuple[Rejected, ...]:
    rejected = []
    for row in _query(dsn, REJECTED):
        found = _UUID.search(row["line"])
        rejected.append(Rejected(found[0] if found else "", row["writer"], row["sequence"]))
    return tuple(rejected)


def read_ledger(dsn: str) -> tuple[str, ...]:
    return tuple(row["id"] for row in _query(dsn, LEDGER))


def read_writers(dsn: str) -> tuple[Writer, ...]:
    return tuple(Writer(**row) for row in _query(dsn, WRITERS))


def _key(row: dict[str, Any]) -> str:
    keys = {
        "seen": "seen {agent} {n}",
        "turn": "turn {conversation} {turn}",
        "prediction": "prediction {conversation} {turn} {task}",
        "label": "label {conversation} {turn}",
        "error": "",
    }
    return keys.get(row["type"], "unknown {type}").format(**row)


def _query(dsn: str, statement: str) -> Iterable[dict[str, Any]]:
    connection = psycopg2.connect(dsn, cursor_factory=RealDictCursor)
    try:
        cursor = connection.cursor()
        cursor.execute(statement)
        return [dict(row) for row in cursor.fetchall()]
    finally:
        connection.close()
