"""``make bench-gate``: how often the gate promotes what is equal, worse and better, on gates whose truth is known.

AUC .78, base .11, the scores of both correlated by .9 within a class; improvements are in AUC of calibrated scores, and
the shipped primary metric of conversion, log loss, judges. ``ML_PIPELINE_BENCH_GATES`` makes fewer gates (2,000) and a
quarter as many histories (500). Names of groups as arguments run those alone: ``single budgeted clustered macro_ap``.
"""

import math
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from benchmarks.claims import Claim, told, write
from benchmarks.simulated_gates import Gate, Setting, auc_of, delong_promotes, draw, draw_labels
from ml_pipeline.models.gate import GateRules, judge
from ml_pipeline.settings import Settings
from ml_pipeline.vocabulary.verdicts import GateVerdict

GATES = int(os.environ.get("ML_PIPELINE_BENCH_GATES", "2000"))
HISTORIES = GATES // 4
SEED = 6
ALPHA = 0.05
NAIVE_GAIN = 0.01
SHIPPED = Settings()
BUDGET_GATES = SHIPPED.gate_budget_gates
ALONE = GateRules("log_loss", ALPHA, guards=())
BY_LABELS = GateRules("macro_ap", ALPHA, guards=())
BUDGETED = GateRules("log_loss", SHIPPED.gate_error_budget / BUDGET_GATES, SHIPPED.gate_min_positives)

Rule = Callable[[Gate], bool]


def single() -> Iterator[Claim]:
    """One test of the primary metric at .05, nothing else asked."""
    for improvement, bound, is_most in ((0.0, 0.06 + 2 * _error(0.06), True), (-0.01, 0.01, True), (0.02, 0.80, False)):
        yield _claim(f"one test at .05, {_named(improvement)}, 2,000 rows", Setting(2_000, improvement), bound, is_most)
    for correlation in (0.8, 0.97):
        setting = Setting(2_000, 0.02, correlation=correlation)
        yield told(f"one test at .05, +.02, 2,000 rows, scores correlated by {correlation}: promoted",
                   [_share(setting, _alone)], "share")  # fmt: skip


def budgeted() -> Iterator[Claim]:
    """The gate as it ships: budget, guards, slices and stresses."""
    yield _history_claim()
    cells = ((-0.01, 2_000, 0.01 + 2 * _error(0.01), True), (0.03, 2_000, 0.85, False), (0.02, 2_000, 0.45, False),
             (0.02, 4_000, 0.80, False), (0.02, 5_000, 0.90, False))  # fmt: skip
    for improvement, rows, bound, is_most in cells:
        name = f"shipped gate, {_named(improvement)}, {rows:,} rows"
        yield _claim(name, Setting(rows, improvement), bound, is_most, shipped)
    for correlation in (0.8, 0.97):
        setting = Setting(2_000, 0.02, correlation=correlation)
        yield told(f"shipped gate, +.02, 2,000 rows, scores correlated by {correlation}: promoted",
                   [_share(setting, shipped)], "share")  # fmt: skip


def clustered() -> Iterator[Claim]:
    """Eight turns of a conversation, whose errors go together: 2,000 conversations, equal models."""
    setting = Setting(16_000, turns=8)
    ours, by_turn = _shares(setting, [_alone, lambda gate: delong_promotes(gate, ALPHA)])
    yield _as_claim("one test at .05, equal models, 8 turns a conversation, clustered", ours, 0.06, is_most=True)
    yield _as_claim("DeLong by turn at .05, equal models, 8 turns a conversation", by_turn, 0.12, is_most=False)


def macro_ap() -> Iterator[Claim]:
    """The other primary metric: four rare labels of turns, 8 turns a conversation, equal models."""
    for conversations in (100, 250):
        hits = np.zeros(2)
        for number in range(GATES):
            block, ours, theirs = draw_labels(conversations, np.random.default_rng([SEED, conversations, number]))
            hits += [
                judge(block, ours, opponents=[theirs], rules=replace(BY_LABELS, alpha=alpha)).verdict
                is GateVerdict.PROMOTE
                for alpha in (ALPHA, BUDGETED.alpha)
            ]
        name = f"macro AP of four labels, {conversations} conversations of 8 turns, equal models"
        for share, alpha in zip((hits / GATES).tolist(), (ALPHA, BUDGETED.alpha), strict=True):
            yield _as_claim(f"{name}, at {alpha:.4f}", share, alpha + 2 * _error(alpha), is_most=True)


GROUPS = {"single": single, "budgeted": budgeted, "clustered": clustered, "macro_ap": macro_ap}


def _alone(gate: Gate) -> bool:
    return judge(gate.block, gate.candidate, opponents=[gate.champion], rules=ALONE).verdict is GateVerdict.PROMOTE


def shipped(gate: Gate) -> bool:
    """Tell whether the gate promotes under the settings that ship, with every check on."""
    found = judge(gate.block, gate.candidate, opponents=[gate.champion], rules=BUDGETED, slices=gate.slices)
    return found.verdict is GateVerdict.PROMOTE


def _naive(gate: Gate) -> bool:
    ours, theirs = auc_of(gate)
    return ours - theirs > NAIVE_GAIN


def _shares(setting: Setting, rules: list[Rule], gates: int = GATES) -> list[float]:
    promoted = np.zeros(len(rules))
    for number in range(gates):
        gate = draw(setting, np.random.default_rng([SEED, setting.rows, number]))
        promoted += [rule(gate) for rule in rules]
    return [float(each) for each in promoted / gates]


def _share(setting: Setting, rule: Rule) -> float:
    return _shares(setting, [rule])[0]


def _claim(name: str, setting: Setting, bound: float, is_most: bool, rule: Rule = _alone) -> Claim:
    ours, naive = _shares(setting, [rule, _naive])
    return _as_claim(name, ours, bound, is_most=is_most, naive=naive)


def _as_claim(name: str, share: float, bound: float, *, is_most: bool, **peers: float) -> Claim:
    told_peers = {f"promoted by AUC larger by .01, {who}": value for who, value in peers.items()}
    holds = share <= bound if is_most else share >= bound
    error = _error(share)
    return Claim(f"{name}: promoted", share, "share", bound, holds, (share - error, share + error), GATES, told_peers)


def _history_claim() -> Claim:
    """Return how often any of 26 gates in a row promotes an equal model, each on fresh rows."""
    setting, hits, naive_hits = Setting(2_000), 0, 0
    for history in range(HISTORIES):
        has_promoted = has_naively = False
        for number in range(BUDGET_GATES):
            gate = draw(setting, np.random.default_rng([SEED, history, number, 26]))
            has_promoted = has_promoted or shipped(gate)
            has_naively = has_naively or _naive(gate)
            if has_promoted and has_naively:
                break
        hits, naive_hits = hits + has_promoted, naive_hits + has_naively
    share, bound = hits / HISTORIES, 0.10 + 2 * math.sqrt(0.10 * 0.90 / HISTORIES)
    spread = math.sqrt(share * (1 - share) / HISTORIES)
    return Claim(
        "shipped gate, equal models, any promotion in 26 gates of 2,000 rows", share, "share", bound, share <= bound,
        (share - spread, share + spread), HISTORIES,
        {"promoted by AUC larger by .01, share": naive_hits / HISTORIES},
    )  # fmt: skip


def _error(share: float) -> float:
    return math.sqrt(share * (1 - share) / GATES)


def _named(improvement: float) -> str:
    return f"{improvement:+.2f} AUC" if improvement else "equal models"


def main(names: list[str]) -> None:
    write("-".join(("gate", *names)), (claim for name in names or GROUPS for claim in GROUPS[name]()))


if __name__ == "__main__":
    main(sys.argv[1:])
