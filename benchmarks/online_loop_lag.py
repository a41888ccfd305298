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
    ("otel_log", "otel_span", "posthog", "langfuse", "insert", "track_event"), 2
)
SECONDS = 3.0
PER_SECOND = dict.fromkeys(ROUNDS, 2_000) | {"track_event": 400}
"""Events of the agent's own: ten a second and conversation to see what recording costs, two that are masked as well."""


def claims(place: Place) -> Iterator[Claim]:
    talked = _measure(place)
    whole = talked.pop("track_event")
    lag = {name: [percentile(each.lag_ms, 0.99) for each in runs] for name, runs in talked.items()}
    cpu = {name: [each.cpu_points for each in runs] for name, runs in talked.items()}
    rate = {name: [each.events / (SECONDS + SETTLING_SECONDS) for each in runs] for name, runs in talked.items()}
    yield at_most(
        "recorder alone, 200 conversations, 2,000 events/s: loop lag p99 over that of recording nothing",
        [ours / idle for ours, idle in zip(lag["recorder"], lag["nothing"], strict=True)],
        1.5,
        peers=_peers(lag, "ms"),
    )
    yield at_most(
        "recorder alone, 200 conversations, 2,000 events/s: process CPU above that of recording nothing",
        [ours - idle for ours, idle in zip(cpu["recorder"], cpu["nothing"], strict=True)],
        6.0,
        "points",
        _peers(cpu, "points"),
    )
    yield told(
        "recorder alone, of 2,000 events/s asked for: recorded", rate["recorder"], "events/s", _peers(rate, "per_s")
    )
    behind = [percentile(each.lag_ms, 0.99) for each in whole]
    yield told("track_event and its shipper, 200 conversations, 400 events/s: loop lag p99", behind, "ms")
    points = [each.cpu_points for each in whole]
    yield told("track_event and its shipper, 200 conversations, 400 events/s: process CPU", points, "points")


def _peers(measured: dict[str, list[float]], unit: str) -> dict[str, float]:
    return {f"{name}_{unit}": median(runs) for name, runs in measured.items()}


def _measure(place: Place) -> dict[str, list[Talked]]:
    talked: dict[str, list[Talked]] = {name: [] for name in ROUNDS}
    for number in range(max(ROUNDS.values())):
        for name in [name for name, rounds in ROUNDS.items() if number < rounds]:
            mine = replace(place, folder=place.folder / f"{name}-{number}")
            order = Order(name, "talk", mine, rate=PER_SECOND[name], seconds=SECONDS)
            talked[name].append(msgspec.json.decode(run(order), type=Talked))
    return talked
