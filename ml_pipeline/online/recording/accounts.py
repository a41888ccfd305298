"""A writer's account: what became of its records, as Postgres counts it, and what its spool folder adds to that."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

FATES = ("stored", "duplicate", "rejected", "quarantined", "dropped")
"""What ends a record's way; until then it is spooled."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``capture_writers``. ``as_of``: when Postgres last heard of the writer."""

    writer: str
    offered: int = 0
    refused: dict[str, int] = {}
    accepted: int = msgspec.field(default=0, name="accepted_sequence")
    shipped: int = msgspec.field(default=0, name="shipped_sequence")
    stored: int = 0
    duplicate: int = 0
    rejected: int = 0
    quarantined: int = 0
    dropped: int = 0
    missing: int = 0
    as_of: datetime | None = msgspec.field(default=None, name="reported_at")

    def known_to(self, *, refused: Mapping[str, int], claimed: int, on_disk: int, dropped: int) -> "Account":
        """Return the account as the writer's own host knows it.

        Args:
            refused: what the writer says it refused.
            claimed: how many records it says it put on disk.
            on_disk: the highest sequence that is there, or was shipped.
            dropped: records dropped that Postgres has not heard of.
        """
        accepted = max(on_disk, self.shipped)
        return msgspec.structs.replace(
            self,
            refused=dict(refused),
            accepted=accepted,
            dropped=self.dropped + dropped,
            missing=max(self.missing, claimed - accepted),
        )

    def balance(self) -> dict[str, Any]:
        """Return where the writer's events are; offered and spooled close the two equations."""
        fates = {fate: getattr(self, fate) for fate in FATES}
        return {
            "offered": self.accepted + self.missing + sum(self.refused.values()),
            "refused": self.refused,
            "accepted": self.accepted,
            **fates,
            "spooled": self.accepted - sum(fates.values()),
            "missing": self.missing,
        }


def read_account(row: Mapping[str, Any]) -> Account:
    """Return the account that a row of ``capture_writers`` tells."""
    return msgspec.convert(row, Account, strict=False)


def total(balances: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sum of balances; reasons of refusal are added up one by one."""
    sums: dict[str, Any] = dict.fromkeys(Account(writer="").balance(), 0)
    sums["refused"] = {}
    for balance in balances:
        for name, figure in balance.items():
            if name == "refused":
                for reason, count in figure.items():
                    sums["refused"][reason] = sums["refused"].get(reason, 0) + count
            elif name in sums:
                sums[name] += figure
    return sums
