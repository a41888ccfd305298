"""What a whole turn of a conversation costs, the first as the fortieth, and what it does to everybody else's."""

import os
import subprocess
import sys
from collections.abc import Iterator
from statistics import median

import msgspec

from benchmarks.claims import Claim, at_most
from benchmarks.contenders import Place
from benchmarks.percentiles import percentile
from benchmarks.turns import Call, Turns

WHOLE_TURN = "process_conversation_predictions, four experiments, three champions, redaction"
EARLY, LATE = range(3, 6), range(39, 42)
"""Turn 4 and turn 40, whichever side speaks there."""


def claims(place: Place) -> Iterator[Claim]:
    turns = _measure(place)
    for quantile, share, bound in (("p50", 0.5, 2.5), ("p99", 0.99, 8.0)):
        wall = [percentile(sorted(call.wall_ms for call in calls), share) for calls in turns.passes]
        cpu = [percentile(sorted(call.cpu_ms for call in calls), share) for calls in turns.passes]
        yield at_most(f"{WHOLE_TURN}: {quantile}", wall, bound, "ms", {"processor_ms": median(cpu)})
    growth = [_cost_at(calls, LATE) / _cost_at(calls, EARLY) for calls in turns.passes]
    early = {"turn_4_ms": median(_cost_at(calls, EARLY) for calls in turns.passes)}
    yield at_most("turn 40 over turn 4, the same words, processor time, p50", growth, 1.2, peers=early)
    talking = "200 conversations with a turn every 5 s, everything on: loop lag"
    for quantile, share, bound in (("p99", 0.99, 10.0), ("p99.9", 0.999, 20.0)):
        idle = {"idle_ms": percentile(turns.idle_lag_ms, share)}
        yield at_most(f"{talking} {quantile}", [percentile(turns.talk_lag_ms, share)], bound, "ms", idle)


def _measure(place: Place) -> Turns:
    environment = {
        **os.environ,
        "ML_PIPELINE_SPOOL": str(place.folder / "turns"),
        "ML_PIPELINE_SHIPPER": "process",
        "ML_PIPELINE_CUSTOMER_KEY": "benchmark",
    }
    command = [sys.executable, "-m", "benchmarks.turns"]
    printed = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout
    return msgspec.json.decode(printed, type=Turns)


def _cost_at(calls: list[Call], turns: range) -> float:
    return median(call.cpu_ms for call in calls if call.turn in turns)
