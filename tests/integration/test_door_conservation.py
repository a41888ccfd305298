"""The door counts every record of a writer once, whatever is missing, repeated, late or sent at the same time."""

import json
import threading
import uuid
from datetime import UTC, datetime

import psycopg2
import pytest

from ml_pipeline.errors import BatchRefusedError
from ml_pipeline.online.recording.accounts import Account
from ml_pipeline.online.recording.shipper import PostgresDoor
from ml_pipeline.online.recording.shipping import Shipper
from ml_pipeline.online.recording.spool import Spool
from ml_pipeline.online.recording.writer_figures import WriterFigures
from tests.integration.events import event_id

WRITER = str(uuid.UUID(int=7))


def line(sequence: int, **fields: object) -> bytes:
    at = datetime.now(UTC)
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    said = {"id": event_id(at), "event_type": "seen", "event_category": "agent", "timestamp": at.isoformat()}
    return json.dumps({**said, "data": {"n": sequence}, "writer": WRITER, "sequence": sequence, **fields}).encode()


@pytest.fixture
def door(database):
    opened = PostgresDoor(database.capture_dsn)
    yield opened
    opened.close()


def fates(account: Account | None) -> dict[str, int]:
    """What the account says, but for what is 0; both sums are checked on the way."""
    assert account is not None
    balance = account.balance()
    ended = sum(balance[name] for name in ("stored", "duplicate", "rejected", "quarantined", "dropped"))
    assert account.shipped == ended
    assert balance["accepted"] == ended + balance["spooled"]
    kept = {name: balance[name] for name in balance if name not in ("offered", "refused", "accepted") and balance[name]}
    return {**kept, "shipped": account.shipped}


def test_sequences_that_a_batch_passes_over_are_quarantined(door):
    first = door.append([line(3), line(4)])
    then = door.append([line(6), line(9)])

    assert fates(first) == {"stored": 2, "quarantined": 2, "shipped": 4}
    assert fates(then) == {"stored": 4, "quarantined": 5, "shipped": 9}


def test_a_batch_sent_again_moves_nothing_even_one_that_ends_later(door):
    batch = [line(sequence) for sequence in (1, 2, 4)]
    door.append(batch)

    again = door.append(batch)
    longer = door.append([*batch, line(5)])

    assert fates(again) == {"stored": 3, "quarantined": 1, "shipped": 4}
    assert fates(longer) == {"stored": 4, "quarantined": 1, "shipped": 5}


def test_a_batch_may_hold_every_fate(door):
    known = line(1)
    door.append([known])
    repeated = {**json.loads(known), "sequence": 2}

    account = door.append([json.dumps(repeated).encode(), line(3, timestamp="1999-01-01T00:00:00Z"), line(5)])

    assert fates(account) == {"stored": 2, "duplicate": 1, "rejected": 1, "quarantined": 1, "shipped": 5}


def test_a_rejected_record_counts_what_was_lost_before_it_and_itself_once(door):
    door.append([line(1)])
    for _ in range(2):
        account = door.reject(WRITER, 4, "broken", b"{")

    assert fates(account) == {"stored": 1, "rejected": 1, "quarantined": 2, "shipped": 4}


def test_a_writer_known_by_a_rejection_only_has_an_account(door):
    assert fates(door.reject(WRITER, 3, "broken", b"{")) == {"rejected": 1, "quarantined": 2, "shipped": 3}


def test_skipped_records_are_counted_once_and_never_backwards(door):
    door.append([line(1), line(2)])

    counted = [door.skip(WRITER, through, loss) for through, loss in ((5, "dropped"), (5, "dropped"), (3, "dropped"))]
    then = door.skip(WRITER, 7, "quarantined")

    assert [fates(account) for account in counted] == [{"stored": 2, "dropped": 3, "shipped": 5}] * 3
    assert fates(then) == {"stored": 2, "dropped": 3, "quarantined": 2, "shipped": 7}


def test_records_are_skipped_in_no_other_way(door):
    with pytest.raises(BatchRefusedError):
        door.skip(WRITER, 5, "lost")


def test_what_a_writer_claims_is_spooled_while_it_lives_and_missing_once_it_is_gone(door):
    door.append([line(1), line(2)])
    said = WriterFigures(offered=8, refused={"spool_full": 3}, accepted=5)

    alive = door.report(WRITER, said, is_gone=False)
    gone = [door.report(WRITER, said, is_gone=True) for _ in range(2)]

    assert fates(alive) == {"stored": 2, "spooled": 3, "shipped": 2}
    assert [fates(account) for account in gone] == [{"stored": 2, "missing": 3, "shipped": 2}] * 2
    assert gone[0].offered == gone[0].balance()["offered"] == 8


def test_figures_that_are_a_second_old_are_no_less_than_what_arrived(door):
    door.append([line(sequence) for sequence in range(1, 6)])

    account = door.report(WRITER, WriterFigures(offered=3, refused={"cyclic": 1}, accepted=2), is_gone=True)

    assert (account.offered, account.missing) == (6, 0)
    assert fates(account) == {"stored": 5, "shipped": 5}


@pytest.mark.parametrize(
    "poison", [b"\x00", b"\xff\xfe", b"{", b'{"writer": 1}', b"null", b"[]", b'"text"', b"1e999999"]
)
def test_no_bytes_stop_the_queue(door, database, tmp_path, poison):
    spool = Spool(tmp_path / "spool", 1 << 20)
    writer = spool.writer
    for number in range(5):
        said = json.loads(line(1))
        del said["writer"], said["sequence"]
        spool.write(poison + b"}" if number == 2 else json.dumps(said).encode())
    spool.close()

    Shipper(tmp_path / "spool", door).ship()

    account = door.report(writer, WriterFigures(5, {}, 5), is_gone=True)
    assert fates(account) == {"stored": 4, "rejected": 1, "shipped": 5}
    with psycopg2.connect(database.owner_dsn) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT sequence FROM rejected_events")
        assert cursor.fetchall() == [(3,)]


def test_a_batch_that_is_still_committing_and_the_same_sent_anew_are_counted_once(database, door):
    """As when a shipper is killed with its batch under way, and the next one sends it again."""
    batch = [line(1), line(2, timestamp="1999-01-01T00:00:00Z"), line(4)]
    under_way = psycopg2.connect(database.capture_dsn)
    cursor = under_way.cursor()
    cursor.execute("SELECT append_events(%s)", ("[" + ",".join(each.decode() for each in batch) + "]",))
    told: list[Account | None] = []
    sending = threading.Thread(target=lambda: told.append(door.append(batch)))
    sending.start()
    sending.join(0.5)
    was_waiting = sending.is_alive()

    under_way.commit()
    sending.join(30)
    under_way.close()

    assert was_waiting
    assert fates(told[0]) == {"stored": 2, "rejected": 1, "quarantined": 1, "shipped": 4}


def test_a_skip_waits_for_a_batch_that_is_still_committing(database, door):
    batch = [line(1), line(2)]
    under_way = psycopg2.connect(database.capture_dsn)
    under_way.cursor().execute("SELECT append_events(%s)", ("[" + ",".join(each.decode() for each in batch) + "]",))
    told: list[Account] = []
    sending = threading.Thread(target=lambda: told.append(door.skip(WRITER, 3, "dropped")))
    sending.start()
    sending.join(0.5)
    was_waiting = sending.is_alive()

    under_way.commit()
    sending.join(30)
    under_way.close()

    assert was_waiting
    assert fates(told[0]) == {"stored": 2, "dropped": 1, "shipped": 3}
