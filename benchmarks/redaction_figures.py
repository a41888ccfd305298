"""What redaction finds in messages it was not written for, what it leaves alone, and what it costs.

The messages are those of tests/redaction_set. Each is redacted twice: with its language, and with none, when both
redactors run. Intervals are 95 %, Wilson's. Clean messages are all of PersuasionForGood and CaSiNo, each after what
was said before it. Times are of messages of 200 characters, warm, none of them seen before.

Run by ``make bench-redaction``; needs ../shared/data or HOLDOUT_DATA for the clean messages. ``--part dev --failures``
prints what was missed; the held-out part never does.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from os import environ
from pathlib import Path
from statistics import median
from time import perf_counter_ns, thread_time_ns

from benchmarks.claims import Claim, at_most, write
from benchmarks.percentiles import percentile
from benchmarks.redaction_set import PARTS, Found, Row, all_found, found, rows, share, touched
from ml_pipeline.online.redaction import Hint, redact
from ml_pipeline.samples.sources import open_source
from ml_pipeline.vocabulary.dialogue import Message

DATA = Path(environ.get("HOLDOUT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
SOURCES = ("persuasionforgood", "casino")
RECALL = {"tidy": 0.95, "raw": 0.90}
LOWER_BOUND = {"tidy": 0.90, "raw": 0.85}
RECALL_OF_ENTITY = 0.80
TOUCHED = 0.05
CHARACTERS = 200
TIMED = 2_000
RUNS = 3
LIMITS_MS = {0.5: 0.5, 0.99: 2.0}
KNOWN = {True: "language known", False: "language unknown"}

Timed = list[tuple[str, Hint]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure redaction on the labelled set.")
    parser.add_argument("--part", choices=PARTS, default="held_out")
    parser.add_argument("--failures", action="store_true", help="print what was missed or needlessly masked (dev only)")
    chosen = parser.parse_args()
    if chosen.failures and chosen.part != "dev":
        parser.error("--failures is for dev only: rules written from held-out misses would make its figures worthless")
    labelled = rows(chosen.part)
    if chosen.failures:
        for line in _failures(labelled):
            print(line)
    else:
        write("redaction" if chosen.part == "held_out" else f"redaction_{chosen.part}", _claims(labelled))


def _claims(labelled: Sequence[Row]) -> Iterator[Claim]:
    clean = {name: _dialogues(name) for name in SOURCES if (DATA / name).is_dir()}
    for name in SOURCES:
        if name not in clean:
            print(f"no clean messages of {name}: nothing at {DATA / name}; set HOLDOUT_DATA", file=sys.stderr)
    for known, how in KNOWN.items():
        yield from _recall(labelled, known)
        hard = [row.redacted(language_known=known) != row.text for row in labelled if not row.spans]
        yield _share(f"hard negatives touched, {how}", hard)
        for name, dialogues in clean.items():
            changed = [told for dialogue in dialogues for told in touched(dialogue, "en" if known else "")]
            yield _share(f"clean messages touched, {name}, {how}", changed, ceiling=TOUCHED)
    said = " ".join(message.content for dialogue in chain(*clean.values()) for message in dialogue)
    for known, how in KNOWN.items():
        if said:
            yield from _times(f"clean, {how}", [_clean(said, run, known) for run in range(RUNS)])
        yield from _times(f"labelled, {how}", [_padded(labelled, run, known) for run in range(RUNS)])


def _recall(labelled: Sequence[Row], known: bool) -> Iterator[Claim]:
    spans = all_found(labelled, language_known=known)
    for cell, part in _parts(spans, lambda span: f"{span.row.language} {span.row.manner}"):
        yield _share(f"found, {cell}, {KNOWN[known]}", part)
    for manner, part in _parts(spans, lambda span: span.row.manner):
        yield _share(f"found, {manner}, {KNOWN[known]}", part, floor=RECALL[manner])
        yield _lower_bound(f"found, {manner}, lower bound, {KNOWN[known]}", part, LOWER_BOUND[manner])
    for entity, part in _parts(spans, lambda span: span.entity):
        yield _share(f"found, {entity}, {KNOWN[known]}", part, floor=RECALL_OF_ENTITY)
    for entity_manner, part in _parts(spans, lambda span: f"{span.entity} {span.row.manner}"):
        yield _share(f"found, {entity_manner}, {KNOWN[known]}", part)


def _parts(spans: Iterable[Found], key: Callable[[Found], str]) -> list[tuple[str, list[bool]]]:
    parts: dict[str, list[bool]] = defaultdict(list)
    for span in spans:
        parts[key(span)].append(span.found)
    return sorted(parts.items())


def _share(claim: str, held: Sequence[bool], *, floor: float | None = None, ceiling: float | None = None) -> Claim:
    estimate = share(held)
    holds = None
    if floor is not None:
        holds = estimate.value >= floor
    elif ceiling is not None:
        holds = estimate.value <= ceiling
    bound = ceiling if floor is None else floor
    return Claim(claim, estimate.value, "1", bound, holds, (estimate.low, estimate.high), 1, {"of": len(held)})


def _lower_bound(claim: str, held: Sequence[bool], floor: float) -> Claim:
    low = share(held).low
    return Claim(claim, low, "1", floor, low >= floor, (low, low), 1, {"of": len(held)})


def _dialogues(name: str) -> list[tuple[Message, ...]]:
    return [dialogue.messages for dialogue in open_source(DATA / name).dialogues]


def _clean(said: str, run: int, known: bool) -> Timed:
    """Return what was said, cut into messages; no run has a message of another."""
    first = (run * len(KNOWN) + known) * TIMED * CHARACTERS
    hint = Hint("en" if known else "", (), "")
    return [(said[place : place + CHARACTERS], hint) for place in range(first, first + TIMED * CHARACTERS, CHARACTERS)]


def _padded(labelled: Sequence[Row], run: int, known: bool) -> Timed:
    """Return the messages with personal data, drawn out by small talk that differs from run to run."""
    talk = {row.language: "" for row in labelled}
    for row in labelled:
        talk[row.language] += "" if row.spans else f" {row.text}"
    padded = []
    for number, row in enumerate(row for row in labelled if row.spans):
        start = (number * 7 + (run * len(KNOWN) + known) * 97) % (len(talk[row.language]) - CHARACTERS)
        text = f"{row.text} {talk[row.language][start:]}"[:CHARACTERS]
        padded.append((text, Hint(row.language if known else "", row.names, row.asked)))
    return padded


def _times(what: str, batches: Sequence[Timed]) -> Iterator[Claim]:
    runs = [_milliseconds(batch) for batch in batches]
    for rank, limit in LIMITS_MS.items():
        claim = f"p{rank * 100:g} of a message of {CHARACTERS} characters, {what}"
        wall = [percentile(sorted(taken for taken, _ in run), rank) for run in runs]
        processor = median(percentile(sorted(used for _, used in run), rank) for run in runs)
        yield at_most(claim, wall, limit, "ms", {"processor_ms": processor, "messages": len(runs[0])})


def _milliseconds(batch: Timed) -> list[tuple[float, float]]:
    """Return (wall, processor) of every message; they part where the machine is busy with something else."""
    taken = []
    for text, hint in batch:
        begun, used = perf_counter_ns(), thread_time_ns()
        redact(text, hint)
        used, ended = thread_time_ns() - used, perf_counter_ns()
        taken.append(((ended - begun) / 1e6, used / 1e6))
    return taken


def _failures(labelled: Sequence[Row]) -> Iterator[str]:
    for row in labelled:
        redacted = row.redacted(language_known=True)
        missed = [f"{span.entity} {span.text!r}" for span in found(row, redacted) if not span.found]
        if missed or (not row.spans and redacted != row.text):
            asked = f" (asked: {row.asked})" if row.asked else ""
            why = "; ".join(missed) or "needlessly masked"
            yield f"{row.language} {row.manner}{asked}\n  {row.text}\n  {redacted}\n  {why}"


if __name__ == "__main__":
    main()
