"""The evidence of a decision in words, as far as it holds any: older ones hold less."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ml_pipeline.models.rollouts.wording import in_words as looked_at

Evidence = Mapping[str, Any]


def in_words(kind: str, evidence: Evidence) -> Iterator[str]:
    """Yield one line per thing that the decision rests on."""
    if kind == "gate":
        yield from _gate(evidence)
    elif kind == "rollout":
        yield from _rollout(evidence)
    elif kind == "rollback":
        yield from _rollback(evidence)
    else:
        yield from _flat(evidence)


def _gate(evidence: Evidence) -> Iterator[str]:
    metric = evidence.get("primary_metric", "")
    if figure := evidence.get("metrics", {}).get(metric):
        yield f"{metric} {_interval(figure)}"
    for opponent, gain in evidence.get("gains", {}).items():
        sure = "surely better" if gain["low"] > 0 else "not surely better"
        yield f"against {opponent}: gain {gain['value']:+.4f}, at least {gain['low']:+.4f}: {sure}"
    yield from _checks(evidence.get("checks", ()))
    yield from _places("slices", evidence.get("slices", ()))
    yield from _places("stresses", evidence.get("stresses", ()))
    if budget := evidence.get("budget"):
        yield (
            f"gate {budget['number']:,} of the task: it spent {budget['alpha']:.3%} of error, it and the"
            f" {budget['gates'] - 1} before it {budget['spent']:.2%} of {budget['error']:.0%}"
        )
    yield from _learnt(evidence)


def _checks(checks: Sequence[Evidence]) -> Iterator[str]:
    failed = [check for check in checks if not check["holds"]]
    if checks:
        yield f"{len(checks) - len(failed)} of {len(checks)} guards hold"
    for check in failed:
        against = f" against {check['opponent']}" if check["opponent"] else ""
        yield f"{check['name']}{against} fails: {check['bound']:.4g} where the limit is {check['limit']:.4g}"


def _places(what: str, places: Sequence[Evidence]) -> Iterator[str]:
    worse = [place for place in places if place["is_worse"]]
    if places:
        yield f"{len(worse)} of {len(places)} {what} surely worse"
    for place in worse:
        yield f"{place['name']} against {place['opponent']}: {place['ours']:.3f} where {place['theirs']:.3f} is theirs"


def _learnt(evidence: Evidence) -> Iterator[str]:
    if split := evidence.get("split"):
        parts = (
            f"{name} {split[name]['conversations']:,} conversations, {split[name]['positives']:,} examples"
            for name in ("train", "calibration", "gate")
            if name in split
        )
        yield "; ".join(parts)
    if until := evidence.get("trained_until"):
        age = evidence.get("age_days")
        yield f"learnt from what started before {until}" + ("" if age is None else f"; {age:.1f} days old when judged")
    if mix := evidence.get("serving_mix"):
        yield "served the conversations it was judged on: " + ", ".join(f"{who} {n:,}" for who, n in mix.items())
    if dataset := evidence.get("dataset"):
        yield f"rows {dataset.get('digest', '')}, recipe {dataset.get('recipe_digest', '')}"
        yield f"asked for: {dataset.get('asked_because', 'not told')}"
    if run := evidence.get("run_id"):
        yield f"MLflow run {run}, model file {evidence.get('model_sha256', 'not told')}"


def _rollout(evidence: Evidence) -> Iterator[str]:
    if "sales" in evidence:  # a move that rests on a look
        yield from (f"{what}: {told}" for what, told in looked_at(evidence).items())


def _rollback(evidence: Evidence) -> Iterator[str]:
    for left in evidence.get("left", ()):
        yield f"{left['version']}, {left['state']}, became {left['becomes']}"
    if "to" in evidence:
        yield f"{evidence['to']} serves since then"


def _flat(evidence: Evidence) -> Iterator[str]:
    for name, value in evidence.items():
        if isinstance(value, Mapping):
            yield f"{name}: " + ", ".join(f"{key} {_short(each)}" for key, each in value.items())
        else:
            yield f"{name} {_short(value)}"


def _interval(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.4f} ({figure['low']:.4f} to {figure['high']:.4f})"


def _short(value: object) -> str:
    if value is None:
        return "unknown"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
