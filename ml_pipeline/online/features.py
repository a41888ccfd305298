"""The one feature function, used online for predictions and offline for training rows."""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

REVISION = 1
"""Raise it whenever ``feature_row`` gives another row for the same input."""

HISTORY_CHARACTERS = 2_000

TEXT_COLUMNS = ("current", "previous", "history")
CATEGORY_COLUMNS = ("language", "phase", "program", "platform", "age_band")
NUMBER_COLUMNS = ("turn", "current_words", "customer_words", "agent_words", "current_questions")

FeatureRow = dict[str, str | float]


def feature_row(turns: Sequence[tuple[str, str]], context: Mapping[str, str]) -> FeatureRow:
    """Return the features of the last of ``turns``: redacted ``(role, content)``, oldest first.

    Text: ``current`` (this turn), ``previous`` (the agent's last turn before it), ``history`` (the customer's earlier
    turns, the last 2,000 characters). Categories come from ``context`` and are "" where unknown. Nothing of what
    follows the last turn can enter: it is not passed.

    >>> row = feature_row([("assistant", "Shall we?"), ("user", "How much is it?")], {"phase": "closing"})
    >>> row["current"], row["previous"], row["phase"], row["turn"], row["current_words"]
    ('How much is it?', 'Shall we?', 'closing', 1.0, 4.0)
    """
    current = turns[-1][1] if turns else ""
    earlier = turns[:-1]
    customer = [content for role, content in earlier if role == "user"]
    agent = [content for role, content in earlier if role == "assistant"]
    row: FeatureRow = {
        "current": current,
        "previous": agent[-1] if agent else "",
        "history": " ".join(customer)[-HISTORY_CHARACTERS:],
        "turn": float(len(turns) - 1),
        "current_words": float(len(current.split())),
        "customer_words": float(sum(len(content.split()) for content in customer)),
        "agent_words": float(sum(len(content.split()) for content in agent)),
        "current_questions": float(current.count("?")),
    }
    row.update({column: context.get(column, "") for column in CATEGORY_COLUMNS})
    return row


def feature_digest(row: FeatureRow) -> str:
    """Return 16 hex digits that name the row: equal rows, equal digest, in any process."""
    return hashlib.sha256(msgspec.json.encode(row, order="sorted")).hexdigest()[:16]
