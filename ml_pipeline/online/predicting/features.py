"""The features of a turn, made by the same lines online for predictions and offline for training rows."""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

REVISION = 2
"""Raise it whenever another row comes of the same input."""

HISTORY_CHARACTERS = 1_000
"""What models read again at every turn: with 2,000, turn 40 cost half as much again as turn 4."""

TEXT_COLUMNS = ("current", "previous", "history")
CATEGORY_COLUMNS = ("language", "phase", "program", "platform", "age_band")
NUMBER_COLUMNS = ("turn", "current_words", "customer_words", "agent_words", "current_questions")

FeatureRow = dict[str, str | float]


class Heard:
    """What features need of a dialogue so far: totals and tails, so that no turn costs more than those before it.

    >>> heard = Heard()
    >>> heard.add("user", "Hello there")
    >>> heard.add("user", "How much?")
    >>> heard.turns, heard.row({})["history"], heard.row({})["customer_words"]
    (2, 'Hello there', 2.0)
    """

    def __init__(self) -> None:
        self.turns = 0
        self._role, self._current = "", ""
        self._previous = ""
        self._history: str | None = None
        self._customer_words = self._agent_words = 0

    def add(self, role: str, content: str) -> None:
        """Hear one more turn, redacted; what was the current one becomes an earlier one."""
        words = len(self._current.split())
        if self._role == "user":
            history = self._current if self._history is None else f"{self._history} {self._current}"
            self._history = history[-HISTORY_CHARACTERS:]
            self._customer_words += words
        elif self._role == "assistant":
            self._previous = self._current
            self._agent_words += words
        self.turns += 1
        self._role, self._current = role, content

    def row(self, context: Mapping[str, str]) -> FeatureRow:
        """Return the features of the last turn, see ``feature_row``."""
        row: FeatureRow = {
            "current": self._current,
            "previous": self._previous,
            "history": self._history or "",
            "turn": float(self.turns - 1),
            "current_words": float(len(self._current.split())),
            "customer_words": float(self._customer_words),
            "agent_words": float(self._agent_words),
            "current_questions": float(self._current.count("?")),
        }
        row.update({column: context.get(column, "") for column in CATEGORY_COLUMNS})
        return row


def feature_row(turns: Sequence[tuple[str, str]], context: Mapping[str, str]) -> FeatureRow:
    """Return the features of the last of ``turns``: redacted ``(role, content)``, oldest first.

    Text: ``current`` (this turn), ``previous`` (the agent's last turn before it), ``history`` (the customer's earlier
    turns, the last 1,000 characters). Categories come from ``context`` and are "" where unknown. Nothing of what
    follows the last turn can enter: it is not passed.

    >>> row = feature_row([("assistant", "Shall we?"), ("user", "How much is it?")], {"phase": "closing"})
    >>> row["current"], row["previous"], row["phase"], row["turn"], row["current_words"]
    ('How much is it?', 'Shall we?', 'closing', 1.0, 4.0)
    """
    heard = Heard()
    for role, content in turns:
        heard.add(role, content)
    return heard.row(context)


def feature_digest(row: FeatureRow) -> str:
    """Return 16 hex digits that name the row: equal rows, equal digest, in any process."""
    return hashlib.sha256(msgspec.json.encode(row, order="sorted")).hexdigest()[:16]
