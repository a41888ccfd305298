"""Each writer's account from both sides: what Postgres says, and what its spool folder knows."""

from collections.abc import Mapping
from pathlib import Path

from ml_pipeline.online.recording.accounts import Account
from ml_pipeline.online.recording.progress import read_progress
from ml_pipeline.online.recording.segments import SegmentName, scan
from ml_pipeline.online.recording.tombstones import Tombstone, count_dropped, list_spooled
from ml_pipeline.online.recording.writer_figures import read_figures


def accounts(folder: Path, told: Mapping[str, Account]) -> dict[str, Account]:
    """Return the account of every writer that Postgres told of or that left something in ``folder``.

    ``told`` is empty where Postgres is away; of a writer of the folder stands what the shipper last heard of it.
    """
    # Figures first: what a writer claims in them is on disk by then.
    figures = {path.stem: read_figures(folder, path.stem) for path in folder.glob("*.figures")}
    spooled = list_spooled(folder)
    writers = {*figures, *spooled, *(path.stem for path in folder.glob("*.shipped"))}
    found = dict(told)
    for writer in sorted(writers):
        said, is_alive = figures.get(writer, (None, True))
        account = _latest(writer, told.get(writer), read_progress(folder, writer).account)
        names = spooled.get(writer, [])
        found[writer] = account.known_to(
            refused=said.refused if said else account.refused,
            claimed=said.accepted if said and not is_alive else 0,
            on_disk=_highest(folder, writer, names),
            dropped=count_dropped([name for name in names if isinstance(name, Tombstone)], account.shipped),
        )
    return found


def count_spooled(folder: Path, account: Account) -> int:
    """Return how many records of the account can be read in ``folder``, those that were shipped left out."""
    names = list_spooled(folder).get(account.writer, [])
    segments = [name for name in names if isinstance(name, SegmentName)]
    found = {sequence for name in segments for sequence in _sequences(folder, name, 0)}
    return sum(account.shipped < sequence <= account.accepted for sequence in found)


def _latest(writer: str, *heard: Account | None) -> Account:
    known = [account for account in heard if account]
    return max(known, key=lambda account: account.shipped, default=Account(writer=writer))


def _highest(folder: Path, writer: str, names: list[SegmentName | Tombstone]) -> int:
    """Return the highest sequence of ``writer`` that is on disk, or was and is shipped."""
    offsets = read_progress(folder, writer).offsets
    highest = 0
    for name in reversed(names):
        if isinstance(name, Tombstone):
            highest = name.last
        else:
            highest = max(_sequences(folder, name, offsets.get(name.number, 0)), default=0)
        if highest:
            break
    return max(highest, read_progress(folder, writer).sequence)


def _sequences(folder: Path, name: SegmentName, offset: int) -> list[int]:
    """Return the sequences in a segment from ``offset`` on; none where it was shipped meanwhile."""
    try:
        with (folder / str(name)).open("rb") as file:
            file.seek(offset)
            return [sequence for sequence, _, _ in scan(file.read(), offset).records]
    except FileNotFoundError:
        return []
