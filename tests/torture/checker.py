"""Says what is wrong with a round, from what was told and what the database holds. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.torture.damage import Destroyed


@dataclass(frozen=True, slots=True)
class Offer:
    """A call: the rows it may become, and the id that it was told.

    ``is_done``: it told no id and returned; then, where a round keeps all, each of its rows is there.
    ``is_rejected``: Postgres will not have it.
    """

    keys: tuple[str, ...]
    told: str | None
    is_done: bool = False
    is_rejected: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the log. ``key``: what it tells, as an offer names it; empty for an ``error`` event of our own."""

    id: str
    writer: str
    sequence: int
    key: str


@dataclass(frozen=True, slots=True)
class Rejected:
    id: str
    writer: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Writer:
    """A row of ``capture_writers``; ``refused``: the sum over its reasons."""

    writer: str
    offered: int
    refused: int
    accepted: int
    stored: int
    duplicate: int
    rejected: int
    quarantined: int
    dropped: int
    missing: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What an agent that ended in order said of its writer."""

    writer: str
    offered: int
    accepted: int
    refused: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What became of a round.

    ``may_drop``: its spool drops the oldest when full. ``keeps_all``: nothing could refuse or damage a record.
    ``left``: files that are still in the spool. ``ledger``: the ids that wait for the projection.
    """

    offers: tuple[Offer, ...]
    rows: tuple[Row, ...]
    rejected: tuple[Rejected, ...]
    writers: tuple[Writer, ...]
    ledger: tuple[str, ...]
    destroyed: frozenset[Destroyed] = frozenset()
    figures: tuple[Figures, ...] = ()
    raised: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    may_drop: bool = False
    keeps_all: bool = False


def violations(seen: Evidence) -> list[str]:
    """Return every rule the round broke, in words; nothing where none is."""
    rules = (_lost, _doubled, _foreign, _unledgered, _unbalanced, _disagreeing, _hurt)
    return [wrong for rule in rules for wrong in rule(seen)]


def _lost(seen: Evidence) -> Iterator[str]:
    logged = {row.id for row in seen.rows}
    rejected = {row.id for row in seen.rejected}
    destroyed = {record.id for record in seen.destroyed}
    missing = set()
    for offer in seen.offers:
        if offer.told is None or offer.told in (rejected if offer.is_rejected else logged):
            continue
        missing.add(offer.told)
    unexplained = sorted(missing - destroyed)
    dropped = sum(writer.dropped for writer in seen.writers) if seen.may_drop else 0
    if len(unexplained) > dropped:
        yield f"lost: {len(unexplained)} told ids are nowhere and {dropped} were dropped, such as {unexplained[0]}"
    keys = {row.key for row in seen.rows}
    absent = sorted({key for offer in seen.offers if offer.is_done for key in offer.keys} - keys)
    if absent and seen.keeps_all:
        yield f"lost: {len(absent)} rows of calls that returned are nowhere, such as {absent[0]}"


def _places(seen: Evidence) -> list[tuple[str, int]]:
    """Return writer and sequence of every record that is somewhere in the database."""
    return [(row.writer, row.sequence) for row in seen.rows] + [(row.writer, row.sequence) for row in seen.rejected]


def _doubled(seen: Evidence) -> Iterator[str]:
    for what, found in (
        ("id", Counter(row.id for row in seen.rows)),
        ("writer and sequence", Counter(_places(seen))),
        ("event", Counter(row.key for row in seen.rows if row.key)),
    ):
        doubled = [key for key, times in found.items() if times > 1]
        if doubled:
            yield f"doubled: {len(doubled)} times one {what} stands twice, such as {doubled[0]}"


def _foreign(seen: Evidence) -> Iterator[str]:
    offered = {key for offer in seen.offers for key in offer.keys}
    foreign = sorted(row.key for row in seen.rows if row.key and row.key not in offered)
    if foreign:
        yield f"never offered: {len(foreign)} rows, such as {foreign[0]}"
    keys = {row.id: row.key for row in seen.rows}
    for offer in seen.offers:
        if offer.told in keys and keys[offer.told] not in offer.keys:
            yield f"mistaken: {offer.told} was told for {offer.keys} and is {keys[offer.told]}"


def _unledgered(seen: Evidence) -> Iterator[str]:
    logged = Counter(row.id for row in seen.rows)
    waiting = Counter(seen.ledger)
    differing = (logged - waiting) | (waiting - logged)
    if differing:
        yield f"unledgered: {len(differing)} ids stand in log and ledger unequally often, such as {min(differing)}"


def _unbalanced(seen: Evidence) -> Iterator[str]:
    rows = Counter(row.writer for row in seen.rows)
    rejected = Counter(row.writer for row in seen.rejected)
    logged = {row.id for row in seen.rows}
    present = set(_places(seen))
    for writer in seen.writers:
        damaged = [
            record
            for record in seen.destroyed
            if record.writer == writer.writer and (record.writer, record.sequence) not in present
        ]
        hit = [record for record in damaged if record.sequence <= writer.accepted]
        # Behind the last record that can be read, only what the writer itself had claimed is known to be gone.
        behind = len(damaged) - len(hit)
        # Of an event that another writer told too, the record may have been a duplicate before it was hit.
        least = sum(record.id not in logged for record in hit)
        ends = writer.stored + writer.duplicate + writer.rejected + writer.quarantined + writer.dropped
        for what, is_right in (
            (
                "offered is accepted + missing + refused",
                writer.offered == writer.accepted + writer.missing + writer.refused,
            ),
            ("accepted is what became of it", writer.accepted == ends),
            (f"stored is its {rows[writer.writer]} rows", writer.stored == rows[writer.writer]),
            (f"rejected is its {rejected[writer.writer]} rows", writer.rejected == rejected[writer.writer]),
            (f"quarantined is the {least} to {len(hit)} hit", least <= writer.quarantined <= len(hit)),
            (f"missing are at most the {behind} hit behind the last", writer.missing <= behind),
            ("nothing is dropped unless the spool may", writer.dropped == 0 or seen.may_drop),
        ):
            if not is_right:
                yield f"unbalanced: it is not so that {what}: {writer}"
    unknown = sorted(set(rows) - {writer.writer for writer in seen.writers})
    if unknown:
        yield f"unbalanced: no figures of {unknown}"


def _disagreeing(seen: Evidence) -> Iterator[str]:
    known = {writer.writer: writer for writer in seen.writers}
    for said in seen.figures:
        if said.offered != said.accepted + said.refused:
            yield f"unbalanced: the agent itself says {said}"
        found = known.get(said.writer)
        if said.offered and (
            found is None or found.refused < said.refused or found.accepted + found.missing < said.accepted
        ):
            yield f"disagreeing: the agent said {said}, the database says {found}"


def _hurt(seen: Evidence) -> Iterator[str]:
    for error in seen.raised:
        yield f"raised into the agent: {error}"
    if seen.left:
        yield f"left in the spool: {' '.join(seen.left)}"
