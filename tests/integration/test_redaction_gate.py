"""What redaction lets through, asked of the quality gate's own statement: it holds an hour for one leak."""

import random
import uuid
from collections.abc import Iterable

import psycopg2
from psycopg2.extras import execute_values

from ml_pipeline.database.named_sql import queries
from ml_pipeline.online.redaction import redact
from ml_pipeline.simulation.floor import simulated_source
from tests.integration.events import START

CONTACTS = [
    "4111 1111 1111 1111", "378282246310005", "555-123-4567", "(555) 123-4567", "+1 415 555 4543", "+34 612 345 678",
    "5512345678", "55 1234 5678", "ana@mail.mx", "078-05-1120", "ES9121000418450200051332", "GARC800101MDFLRN09",
]  # fmt: skip
AROUND = [
    "12/05/2024", "2010-2015", "10:30", "$", "usd ", " people", " pesos", "%", "1", "12", "345", "2024", "1234567",
    " ", "-", ".", ", ", "/", "(", ")", "+", "a", "_", "\u00a0",
]  # fmt: skip


def leaks(database, texts: Iterable[str]) -> list[str]:
    """Return those of ``texts`` in which the gate finds an e-mail, a phone, a card or an identity number."""
    connection = psycopg2.connect(database.owner_dsn)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT ensure_day_partition('turns', %s)", (START.date(),))
            execute_values(
                cursor,
                "INSERT INTO turns (conversation_id, turn, at, role, content, event_id) VALUES %s",
                [(str(uuid.uuid4()), 0, START, "user", text, str(uuid.uuid4())) for text in texts],
                page_size=5_000,
            )
            judged = queries("quality").judged_turns.sql.rstrip().rstrip(";")
            cursor.execute(
                f"SELECT content FROM ({judged}) AS judged JOIN turns USING (event_id)"  # noqa: S608 - the gate's own
                " WHERE holds_email OR holds_phone OR holds_card OR holds_identity",
                {"hours": [START]},
            )
            return [content for (content,) in cursor.fetchall()]
    finally:
        connection.rollback()
        connection.close()


def test_the_gate_finds_nothing_in_the_redacted_simulated_floor(database):
    said = [message.content for talk in simulated_source().dialogues for message in talk.messages]
    redacted = [redact(content) for content in said]

    assert sum(before != after for before, after in zip(said, redacted, strict=True)) > 200
    assert leaks(database, redacted) == []


def test_the_gate_finds_nothing_in_redacted_contacts_among_other_numbers(database):
    chance = random.Random(0)
    mixed = [
        "".join(chance.choice(chance.choice((CONTACTS, AROUND))) + chance.choice(("", " ")) for _ in range(6))
        for _ in range(6_000)
    ]

    assert leaks(database, [redact(text) for text in mixed]) == []


def test_the_gate_finds_what_was_not_redacted(database):
    assert len(leaks(database, CONTACTS)) > len(CONTACTS) / 2
