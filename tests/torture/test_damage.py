import random

import pytest

from ml_pipeline.online.ids import fresh_event_id
from ml_pipeline.online.recording.segments import list_segments, scan
from ml_pipeline.online.recording.spool import Spool
from tests.online_agent import START
from tests.torture.damage import damage


@pytest.mark.parametrize("seed", range(40))
def test_the_records_said_to_be_hit_are_those_that_can_no_longer_be_read(tmp_path, seed):
    spool = Spool(tmp_path, 1 << 20)
    for _ in range(30):
        spool.write(b'{"id":"%b"}' % fresh_event_id(START).encode())
    writer = spool.writer
    spool.close()
    (name,) = list_segments(tmp_path)
    path = tmp_path / str(name)

    hit = damage(path, random.Random(seed))

    readable = {sequence for sequence, _, _ in scan(path.read_bytes()).records} - {0}
    assert readable == set(range(1, 31)) - {record.sequence for record in hit}
    assert {record.writer for record in hit} <= {writer}
