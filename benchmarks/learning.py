"""``make bench-learning``: does keeping up to date pay, and who does it best, on calls that nobody here made?

A bank's 41,188 calls in date order (``learning_calls``), each outcome known after its call, go through the search, the
fit, the gate and the rollout of the product. The first 5,000 teach a first model; after every 1,000 another is trained,
and each loop (``learning_loops``) decides whether it serves. ARGS picks groups: ``splits loops monthly``. Needs
../shared/data or HOLDOUT_DATA; about seven minutes.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec
import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.claims import Claim, at_least, at_most, told, write
from benchmarks.learning_calls import BETWEEN_CALLS, FILE, Calls, read_calls
from benchmarks.learning_figures import best_in_hindsight, figures_of, is_harmful, losses
from benchmarks.learning_loops import FIRST, Course, Loop, Promotion, gated, larger, play
from benchmarks.learning_versions import Versions
from ml_pipeline.models.candidates.recipe import Kind
from ml_pipeline.models.clustered import figures
from ml_pipeline.settings import Settings
from ml_pipeline.vocabulary.estimate import Estimate
from ml_pipeline.vocabulary.rollouts import Step

BLOCK = 1_000
TIME_SPLIT = 0.8
SEED = 6
KINDS: Mapping[str, Kind | None] = {"boosting": "trees", "logistic regression": "linear", "side by side": None}
SHIPPED = Settings()
AT_ONCE = msgspec.structs.replace(SHIPPED, gate_share=0.05, rollout_steps=())
"""Of an operator who retrains every 1,000 calls: were a quarter of the history to judge, a candidate would be up to
ten thousand calls old."""
WEEKLY = msgspec.structs.replace(
    AT_ONCE,
    refit_promoted=True,
    rollout_steps=(Step(0.5, 0),),
    rollout_sales_margin=0.95,
    holdback_days=BLOCK * BETWEEN_CALLS.total_seconds() / 86_400,
)
"""Ours: a refit runs in shadow until its log loss is surely no higher, then serves, with a holdback. Whom a call of the
past was answered by changed nothing of its outcome, so sales cannot differ and are not waited for. Error budget,
margins of quality, length of the shadow, share of the holdback as they ship."""
FIVE_PERCENT = msgspec.structs.replace(WEEKLY, gate_error_budget=0.45, gate_budget_gates=9)
GATE_ALONE = msgspec.structs.replace(AT_ONCE, refit_promoted=True)
NO_REFIT = msgspec.structs.replace(WEEKLY, refit_promoted=False)
AS_IT_SHIPS = msgspec.structs.replace(WEEKLY, rollout_steps=SHIPPED.rollout_steps, rollout_sales_margin=0.15)
BY_AUC = larger(lambda truth, answers: float(roc_auc_score(truth, answers)))
BY_LOG_LOSS = larger(lambda truth, answers: -float(losses(answers, truth).mean()))
LOOPS: Mapping[str, Loop] = {
    "frozen": Loop("frozen", AT_ONCE),
    "blind_by_auc": Loop(BY_AUC, AT_ONCE),
    "blind_by_log_loss": Loop(BY_LOG_LOSS, AT_ONCE),
    "always_refit": Loop("always", AT_ONCE),
    "ours": Loop(gated(WEEKLY), WEEKLY),
}
SENSITIVITY: Mapping[str, Loop] = {
    "at .05 a gate": Loop(gated(FIVE_PERCENT), FIVE_PERCENT),
    "without the refit": Loop(gated(NO_REFIT), NO_REFIT),
    "the gate alone, refit, no shadow": Loop(gated(GATE_ALONE), GATE_ALONE),
    "the gate alone": Loop(gated(AT_ONCE), AT_ONCE),
    "with canary steps and margin of sales as they ship": Loop(gated(AS_IT_SHIPS), AS_IT_SHIPS),
    "blind by AUC, refit": Loop(BY_AUC, GATE_ALONE),
    "blind by log loss, refit": Loop(BY_LOG_LOSS, GATE_ALONE),
}
"""What ours would have come to otherwise, and blind rules with a refit of their own; docs/decisions/0029 tells which of
these were seen before ours was settled."""
BOUNDS = {"boosting": {"frozen": 0.75}, "logistic regression": {"frozen": 0.90}}
"""Of our log loss over another loop's."""
BOUNDS_OF_ALL = {"blind_by_auc": 0.98, "blind_by_log_loss": 1.01, "always_refit": None}


@dataclass(frozen=True)
class Played:
    """What a loop came to over ``blocks``; ``harmful``: those of its promotions."""

    course: Course
    figures: Mapping[str, float]
    harmful: Sequence[Promotion]

    def peers(self, name: str) -> dict[str, float]:
        counts = {
            "promotions": len(self.course.promotions),
            "harmful": len(self.harmful),
            "taken_back": len(self.course.taken_back),
        }
        return {f"{name}_{figure}": value for figure, value in {**self.figures, **counts}.items()}


def splits() -> Iterator[Claim]:
    """One model on a random fifth and on the last fifth in time; of the kind that the search found better inside."""
    calls = read_calls()
    until = round(TIME_SPLIT * len(calls))
    shuffled = calls.taken(np.random.default_rng(SEED).permutation(len(calls)))
    for split, order, bounds in (("random", shuffled, (0.785, 0.079)), ("time", calls, (0.74, None))):
        versions = Versions(order)
        found = {name: _estimates(order, versions.searched(until, kind).probabilities) for name, kind in KINDS.items()}
        chosen = found.pop("side by side")
        for metric, bound in zip(("auc", "brier"), bounds, strict=True):
            ours = chosen[metric]
            peers = {f"{name.replace(' ', '_')}_{metric}": each[metric].value for name, each in found.items()}
            holds = None if bound is None else ours.value >= bound if metric == "auc" else ours.value <= bound
            yield Claim(f"{split} split, {_word(metric)}, the kind that the search chose", ours.value, "1", bound,
                        holds, (ours.low, ours.high), 1, peers)  # fmt: skip


def loops() -> Iterator[Claim]:
    """Every loop over the same blocks: both kinds, and the better of both each time."""
    calls = read_calls()
    versions, ends = Versions(calls), [*range(FIRST, len(calls), BLOCK), len(calls)]
    played = {name: _play_all(versions, kind, ends, LOOPS) for name, kind in KINDS.items()}
    for name, of_kind in played.items():
        yield from _log_loss_claims(name, of_kind)
    yield from _harm_claims(calls, played)
    yield from _rolling_claims(calls, played, ends)
    for name, kind in KINDS.items():
        for loop, found in _play_all(versions, kind, ends, SENSITIVITY).items():
            yield told(
                f"{name}, ours {loop}: log loss" if not loop.startswith("blind") else f"{name}, {loop}: log loss",
                [found.figures["log_loss"]],
                "nats",
                found.peers("ours"),
            )
        hindsight = best_in_hindsight(
            [played[name]["frozen"].course.first.probabilities,
             *(each.version.probabilities for each in played[name]["always_refit"].course.promotions)],
            calls.is_positive, list(pairwise(ends)),
        )  # fmt: skip
        best = figures_of(hindsight, calls.is_positive, list(pairwise(ends)))
        yield told(f"{name}, the best in hindsight of each block: log loss", [best["log_loss"]], "nats", best)


def monthly() -> Iterator[Claim]:
    """The same by calendar month, the better kind each time."""
    calls = read_calls()
    ends = [FIRST, *(end for end in calls.month_ends if end > FIRST)]
    loops = {name: LOOPS[name] for name in ("frozen", "always_refit", "ours")}
    for name, found in _play_all(Versions(calls), None, ends, loops).items():
        yield told(f"monthly, side by side, {name}: log loss", [found.figures["log_loss"]], "nats", found.peers(name))


GROUPS: Mapping[str, Callable[[], Iterator[Claim]]] = {"splits": splits, "loops": loops, "monthly": monthly}


def _estimates(calls: Calls, probabilities: np.ndarray) -> Mapping[str, Estimate]:
    held = np.flatnonzero(~np.isnan(probabilities))
    found = figures(calls.rows.take(held).block(), probabilities[held, None], np.array([0.5]), ("auc", "brier"))
    return {metric: score.estimate() for metric, score in found.items()}


def _play_all(
    versions: Versions, kind: Kind | None, ends: Sequence[int], loops: Mapping[str, Loop]
) -> dict[str, Played]:
    blocks = list(pairwise(ends))
    found = {}
    for name, loop in loops.items():
        course = play(versions, kind, loop, ends)
        harmful = [each for each in course.promotions if _harms(versions.calls, each)]
        found[name] = Played(course, figures_of(course.served, versions.calls.is_positive, blocks), harmful)
    return found


def _harms(calls: Calls, promotion: Promotion) -> bool:
    places = slice(promotion.at, promotion.at + BLOCK)
    ours, theirs = (each.probabilities[places] for each in (promotion.version, promotion.replaced))
    truth = calls.is_positive[places]
    return is_harmful(losses(ours, truth), losses(theirs, truth))


def _log_loss_claims(kind: str, played: Mapping[str, Played]) -> Iterator[Claim]:
    ours = played["ours"].figures["log_loss"]
    for other, bound in {**BOUNDS.get(kind, {"frozen": None}), **BOUNDS_OF_ALL}.items():
        ratio = ours / played[other].figures["log_loss"]
        peers = played["ours"].peers("ours") | played[other].peers(other)
        name = f"{kind}, log loss over that of {other.replace('_', ' ')}"
        is_stretch = bound is None or kind == "side by side"
        yield told(name, [ratio], "x", peers) if is_stretch else at_most(name, [ratio], bound, peers=peers)


def _harm_claims(calls: Calls, played: Mapping[str, Mapping[str, Played]]) -> Iterator[Claim]:
    kinds = [played[name] for name, kind in KINDS.items() if kind]
    counts = {name: float(sum(len(each[name].harmful) for each in kinds)) for name in LOOPS}
    ours, blind = counts.pop("ours"), counts["blind_by_auc"]
    yield at_most("harmful promotions over those of blind by AUC, both kinds", [ours / blind if blind else ours], 0.6,
                  peers={"ours": ours, **counts})  # fmt: skip
    late = [
        promotion.version.name
        for each in kinds
        for promotion in each["ours"].harmful
        if each["ours"].course.taken_back.get(promotion.version.name, len(calls)) - promotion.at > BLOCK
    ]
    yield at_most("harmful promotions of ours that were not rolled back within 1,000 calls, both kinds",
                  [float(len(late))], 0, "promotions", {"harmful": ours})  # fmt: skip


def _rolling_claims(calls: Calls, played: Mapping[str, Mapping[str, Played]], ends: Sequence[int]) -> Iterator[Claim]:
    """Return the last fifth of the calls, as the time split, under a model that is 1,000 calls old at most."""
    last = [(begin, end) for begin, end in pairwise(ends) if begin >= TIME_SPLIT * len(calls)]
    found = {
        f"{name}, {loop}".replace(" ", "_"): figures_of(each[loop].course.served, calls.is_positive, last)
        for name, each in played.items()
        for loop in ("always_refit", "ours")
    }
    best = found["boosting,_always_refit"]
    for metric, bound in (("auc", 0.75), ("brier", 0.19)):
        value = best[metric]
        peers = {f"{who}_{figure}": value for who, each in found.items() for figure, value in each.items()}
        claim = at_least if metric == "auc" else at_most
        yield claim(
            f"last fifth in time, {_word(metric)}, boosting refitted every 1,000 calls", [value], bound, "1", peers
        )


def _word(metric: str) -> str:
    return {"auc": "AUC", "brier": "Brier"}[metric]


def main(names: Sequence[str]) -> None:
    if not FILE.exists():
        print(f"no bank marketing data at {FILE}: nothing is measured; set HOLDOUT_DATA to the folder that holds it")
        return
    write("-".join(("learning", *names)), (claim for name in names or GROUPS for claim in GROUPS[name]()))


if __name__ == "__main__":
    main(sys.argv[1:])
