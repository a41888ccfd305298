"""What a benchmark found: one JSON object a line, printed and kept in ``.local/bench/<name>.jsonl``."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

FOLDER = Path(".local/bench")


@dataclass(frozen=True)
class Claim:
    """A figure, the median of ``runs``, beside what it should be; ``holds`` is None where nothing was promised.

    ``unit``: "x" where ``value`` is a ratio to a peer of the same run. ``peers``: what else was measured there, each in
    the unit its name ends with.
    """

    claim: str
    value: float
    unit: str
    bound: float | None
    holds: bool | None
    spread: tuple[float, float]
    runs: int
    peers: Mapping[str, float] = field(default_factory=dict)


def at_most(
    claim: str, measured: Sequence[float], bound: float, unit: str = "x", peers: Mapping[str, float] | None = None
) -> Claim:
    """Return the claim that the median of ``measured``, a figure per run, is ``bound`` or lower."""
    value = median(measured)
    return Claim(claim, value, unit, bound, value <= bound, (min(measured), max(measured)), len(measured), peers or {})


def at_least(
    claim: str, measured: Sequence[float], bound: float, unit: str = "x", peers: Mapping[str, float] | None = None
) -> Claim:
    """Return the claim that the median of ``measured``, a figure per run, is ``bound`` or higher."""
    value = median(measured)
    return Claim(claim, value, unit, bound, value >= bound, (min(measured), max(measured)), len(measured), peers or {})


def told(claim: str, measured: Sequence[float], unit: str, peers: Mapping[str, float] | None = None) -> Claim:
    """Return a figure that nothing was promised of."""
    return Claim(claim, median(measured), unit, None, None, (min(measured), max(measured)), len(measured), peers or {})


def write(name: str, claims: Iterable[Claim]) -> None:
    """Print every claim as soon as it is there, and keep them as the benchmark ``name``'s latest."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{name}.jsonl").open("w", encoding="utf-8") as file:
        for claim in claims:
            line = json.dumps(_rounded(asdict(claim)), ensure_ascii=False)
            print(line, flush=True)
            file.write(line + "\n")
            file.flush()


def _rounded(value: Any) -> Any:
    """Cut figures to four significant digits: no run repeats more of them."""
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value
