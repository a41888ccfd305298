"""One look at a rollout: evidence in, verdict out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ml_pipeline.models.rollouts.evidence import Evidence, Phase
from ml_pipeline.models.rollouts.quality import QualityFinding, judge_quality
from ml_pipeline.models.rollouts.rules import Rules
from ml_pipeline.models.rollouts.sales import SalesFinding, judge_sales
from ml_pipeline.models.rollouts.sentinels import Sentinel, judge_sentinels

Act = Literal["advance", "stay", "take_back", "promote"]

SERVING_MIX = "the serving mix, each row weighted by one over the chance of who was heard"
AROSE_UNDER: Mapping[Phase, str] = {
    "shadow": "the champion alone: what they would be under the challenger nobody has seen",
    "canary": SERVING_MIX,
    "holdback": SERVING_MIX,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reason`` is for people; ``numbers`` goes into the evidence of the decision, plain JSON.

    ``numbers["is_superior"]`` is the separate claim that the challenger sells more.
    """

    act: Act
    reason: str
    numbers: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Findings:
    sales: SalesFinding
    quality: QualityFinding
    sentinels: Sequence[Sentinel]
    matured: int


def judge(evidence: Evidence, rules: Rules) -> Verdict:
    """Return what is to be done: take back on proven harm, go on where the step has shown enough, else stay.

    From shadow, ``advance`` leads to the first step; the last step ends in ``promote``; a holdback stays or is taken
    back.

    Raises:
        IndexError: if the rules have no such step.
    """
    findings = _Findings(
        judge_sales(evidence.started, rules),
        judge_quality(evidence.scored, rules),
        judge_sentinels(evidence.phase, evidence.pulse, rules),
        _matured(evidence, rules),
    )
    numbers = {
        "phase": evidence.phase,
        "step": evidence.step,
        "calls": evidence.calls,
        "matured": findings.matured,
        "sales": findings.sales.numbers,
        "quality": findings.quality.numbers,
        "outcomes_arose_under": AROSE_UNDER[evidence.phase],
        "sentinels": [sentinel.as_numbers() for sentinel in findings.sentinels],
        "is_superior": findings.sales.is_superior,
    }
    harms = list(_harms(findings))
    if harms:
        return Verdict("take_back", "; ".join(harms), numbers)
    lacking = list(_lacking(evidence, rules, findings))
    if lacking:
        return Verdict("stay", "; ".join(lacking), numbers)
    return _go_on(evidence, rules, findings, numbers)


def _go_on(evidence: Evidence, rules: Rules, findings: _Findings, numbers: Mapping[str, Any]) -> Verdict:
    loss = f"its log loss is surely at most {rules.quality_margin:g} nats higher ({findings.quality.loss:+.4f})"
    if evidence.phase == "shadow":
        return Verdict("advance", f"to {rules.steps[0].share:.0%}: {loss}", numbers)
    sales = f"its sales are surely above {1 - rules.sales_margin:.0%} of the champion's ({_told(findings.sales.ratio)})"
    if evidence.step + 1 < len(rules.steps):
        return Verdict("advance", f"to {rules.steps[evidence.step + 1].share:.0%}: {sales}; {loss}", numbers)
    claim = "it surely sells more" if findings.sales.is_superior else "that it sells more is not proven"
    return Verdict("promote", f"{sales}; {loss}; {claim}", numbers)


def _harms(findings: _Findings) -> Iterator[str]:
    for sentinel in findings.sentinels:
        if sentinel.is_harmful and sentinel.name.startswith("shift"):
            yield f"{sentinel.name}: its scores moved {sentinel.value:+.2f} standard deviations since the shadow"
        elif sentinel.is_harmful:
            yield f"{sentinel.name}: {_told(sentinel.value)} with the challenger"
    if findings.sales.is_harmful:
        yield f"fewer sales: {_told(findings.sales.ratio)} where the challenger was drawn"
    if findings.quality.is_harmful:
        yield f"its log loss is surely higher: {findings.quality.loss:+.4f} nats on the same rows"


def _lacking(evidence: Evidence, rules: Rules, findings: _Findings) -> Iterator[str]:
    if evidence.phase == "holdback":
        yield f"no harm shown against the version held back; sales {_told(findings.sales.ratio)}"
        return
    if evidence.phase == "shadow":
        if evidence.calls < rules.min_shadow:
            yield f"{evidence.calls} conversations scored where {rules.min_shadow} are needed"
    else:
        needed = rules.steps[evidence.step].min_matured
        if findings.matured < needed:
            yield f"{findings.matured} matured conversations of the challenger at this step where {needed} are needed"
        if not findings.sales.is_noninferior:
            yield (
                f"not yet sure that its sales are above {1 - rules.sales_margin:.0%} of the champion's"
                f" ({_told(findings.sales.ratio)})"
            )
    if not findings.quality.is_noninferior:
        loss = findings.quality.loss
        yield (
            f"not yet sure that its log loss is at most {rules.quality_margin:g} nats higher"
            f" ({'no labelled rows' if loss is None else f'{loss:+.4f}'})"
        )


def _matured(evidence: Evidence, rules: Rules) -> int:
    """Return how many of the challenger's conversations of this step have come of age."""
    if evidence.phase != "canary":
        return 0
    started = evidence.started
    return int(np.count_nonzero(started.is_challenger & np.isclose(started.share, rules.steps[evidence.step].share)))


def _told(ratio: float | None) -> str:
    return "the champion has none to compare with" if ratio is None else f"{ratio:.2f} times as many"
