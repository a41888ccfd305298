"""What recording does to the event loop of 200 conversations: agents that differ in who records, in turn."""

from collections.abc import Iterator
from dataclasses import replace
from statistics import median

import msgspec

from benchmarks.agent import SETTLING_SECONDS, Order, Talked, run
from benchmarks.claims import Claim, at_most, told
from benchmarks.contenders import Place
from benchmarks.percentiles import percentile

ROUNDS = {"nothing": 5, "recorder": 5} | dict.fromkeys(
    ("track_event", "otel_log", "otel_span", "posthog", "langfuse", "insert"), 2
)
SECONDS = 3.0
EVENTS_PER_SECOND = 2_000


def claims(place: Place) -> Iterator[Claim]:
    talked = _measure(place)
    lag = {name: [percentile(each.lag_ms, 0.99) for each in runs] for name, runs in talked.items()}
    cpu = {name: [each.cpu_points for each in runs] for name, runs in talked.items()}
    lag_of_peers = {f"{name}_ms": median(measured) for name, measured in lag.items()}
    yield at_most(
        "recorder alone, 200 conversations, 2,000 events/s: loop lag p99 over that of recording nothing",
        [ours / idle for ours, idle in zip(lag["recorder"], lag["nothing"], strict=True)],
        1.5,
        peers=lag_of_peers,
    )
    yield at_most(
        "recorder alone, 200 conversations, 2,000 events/s: process CPU above that of recording nothing",
        [ours - idle for ours, idle in zip(cpu["recorder"], cpu["nothing"], strict=True)],
        6.0,
        "points",
        {f"{name}_points": median(measured) for name, measured in cpu.items()},
    )
    yield told("track_event and its shipper, 200 conversations, 2,000 events/s: loop lag p99", lag["track_event"], "ms")
    yield told(
        "the fewest events per second that any of them recorded when asked for 2,000",
        [min(each.events / (SECONDS + SETTLING_SECONDS) for runs in talked.values() for each in runs)],
        "events/s",
        {
            f"{name}_per_s": median(each.events / (SECONDS + SETTLING_SECONDS) for each in runs)
            for name, runs in talked.items()
        },
    )


def _measure(place: Place) -> dict[str, list[Talked]]:
    talked: dict[str, list[Talked]] = {name: [] for name in ROUNDS}
    for number in range(max(ROUNDS.values())):
        for name in [name for name, rounds in ROUNDS.items() if number < rounds]:
            mine = replace(place, folder=place.folder / f"{name}-{number}")
            order = Order(name, "talk", mine, rate=EVENTS_PER_SECOND, seconds=SECONDS)
            talked[name].append(msgspec.json.decode(run(order), type=Talked))
    return talked
