"""A door without a database: it keeps what passes, and counts as the real one does."""

import json

from ml_pipeline.errors import BatchRefusedError, DatabaseError
from ml_pipeline.online.recording.accounts import FATES, Account, read_account
from ml_pipeline.online.recording.shipping import Loss
from ml_pipeline.online.recording.writer_figures import WriterFigures


class FakeDoor:
    """``away`` calls fail first; lines that hold ``poison`` are refused; after ``dies_after`` batches it is killed."""

    def __init__(self, away: int = 0) -> None:
        self.lines: list[dict[str, object]] = []
        self.batches: list[int] = []
        self.rejected: list[tuple[str, int]] = []
        self.accounts: dict[str, dict[str, int]] = {}
        self.reports: list[tuple[str, WriterFigures, bool]] = []
        self.away = away
        self.dies_after: int | None = None

    def append(self, lines: list[bytes]) -> Account:
        if self.dies_after is not None and len(self.batches) == self.dies_after:
            raise KeyboardInterrupt
        self._answer()
        if any(b"poison" in line for line in lines):
            raise BatchRefusedError("22P02")
        self.batches.append(len(lines))
        batch = [json.loads(line) for line in lines]
        for line in batch:
            self._move(line["writer"], line["sequence"], "stored")
        self.lines += batch
        return self.account(batch[0]["writer"])

    def reject(self, writer: str, sequence: int, reason: str, line: bytes) -> Account:
        self._answer()
        self.rejected.append((writer, sequence))
        self._move(writer, sequence, "rejected")
        return self.account(writer)

    def skip(self, writer: str, through: int, loss: Loss) -> Account:
        self._answer()
        known = self._of(writer)
        known[loss] += max(0, through - known["shipped_sequence"])
        known["shipped_sequence"] = max(known["shipped_sequence"], through)
        return self.account(writer)

    def report(self, writer: str, figures: WriterFigures, *, is_gone: bool) -> Account:
        self._answer()
        self.reports.append((writer, figures, is_gone))
        known = self._of(writer)
        known["missing"] = max(0, figures.accepted - known["shipped_sequence"]) if is_gone else 0
        return self.account(writer)

    def account(self, writer: str) -> Account:
        known = self._of(writer)
        return read_account({"writer": writer, "accepted_sequence": known["shipped_sequence"], **known})

    def sequences(self) -> list[object]:
        return [line["sequence"] for line in self.lines]

    def _answer(self) -> None:
        if self.away:
            self.away -= 1
            raise DatabaseError("away")

    def _of(self, writer: str) -> dict[str, int]:
        return self.accounts.setdefault(writer, dict.fromkeys(("shipped_sequence", "missing", *FATES), 0))

    def _move(self, writer: str, sequence: int, fate: str) -> None:
        known = self._of(writer)
        if sequence > known["shipped_sequence"]:
            known["quarantined"] += sequence - known["shipped_sequence"] - 1
            known[fate] += 1
            known["shipped_sequence"] = sequence
