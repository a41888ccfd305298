"""What one event costs its call: blocks of equal events, contenders in turn, in one process."""

import asyncio
import inspect
import time
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.claims import Claim, at_most, told
from benchmarks.contenders import CONTENDERS, Contender, Place
from benchmarks.percentiles import percentile
from benchmarks.said import said

ROUNDS = 9
BLOCK = dict.fromkeys(CONTENDERS, 2_000) | {"insert": 200, "insert_unsynced": 200, "langfuse": 500, "posthog": 1_000}
QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}

Figures = dict[str, dict[str, list[float]]]
"""Microseconds by contender and quantile, one a round."""


def claims(place: Place) -> Iterator[Claim]:
    yield from _judge(asyncio.run(_measure(replace(place, is_sink_null=True))))


async def _measure(place: Place) -> Figures:
    contenders = {name: CONTENDERS[name](place) for name in CONTENDERS if name != "nothing"}
    figures: Figures = {name: {quantile: [] for quantile in QUANTILES} for name in contenders}
    names = list(contenders)
    for number in range(ROUNDS + 1):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            taken = await _block(contenders[name], BLOCK[name])
            contenders[name].settle()
            if number:  # the first round warms up
                for quantile, share in QUANTILES.items():
                    figures[name][quantile].append(percentile(taken, share))
    return figures


async def _block(contender: Contender, events: int) -> list[float]:
    """Return how many microseconds each ``record`` took, sorted."""
    prepared = [contender.prepare(said(number)) for number in range(events)]
    record, clock = contender.record, time.perf_counter_ns
    taken = []
    for item in prepared:
        started = clock()
        recorded = record(item)
        if inspect.iscoroutine(recorded):
            await recorded
        taken.append((clock() - started) / 1000)
    return sorted(taken)


def _judge(figures: Figures) -> Iterator[Claim]:
    def ratio(quantile: str, peer: str) -> list[float]:
        pairs = zip(figures["recorder"][quantile], figures[peer][quantile], strict=True)
        return [ours / theirs for ours, theirs in pairs]

    def peers(quantile: str) -> dict[str, float]:
        return {f"{name}_us": sorted(taken[quantile])[ROUNDS // 2] for name, taken in figures.items()}

    p50 = peers("p50")
    yield at_most("recorder alone, p50 over the JSON encoder's", ratio("p50", "encoder"), 4.0, peers=p50)
    yield at_most("recorder alone, p50 over BatchSpanProcessor's", ratio("p50", "otel_span"), 1 / 4, peers=p50)
    yield at_most("recorder alone, p50 over posthog's", ratio("p50", "posthog"), 1 / 10, peers=p50)
    yield at_most("recorder alone, p50 over a psycopg2 INSERT's", ratio("p50", "insert"), 1 / 100, peers=p50)
    for peer in ("otel_span", "otel_log"):
        claim = f"recorder alone, p99 over OpenTelemetry's ({peer})"
        yield at_most(claim, ratio("p99", peer), 1.0, peers=peers("p99"))
    yield at_most("recorder alone, p99.9", figures["recorder"]["p99.9"], 1_000, "us", peers("p99.9"))
    for quantile in QUANTILES:
        yield told(f"track_event, whole, {quantile}", figures["track_event"][quantile], "us", peers(quantile))
