"""What a drift finding costs the champion, in nats a label: measured where truths are known, else estimated.

| kind | impact | rests on |
|---|---|---|
| performance | growth of the mean log loss | truths |
| label | KL(recent share, earlier share) | truths: what an answer of the earlier share loses |
| prediction | KL(recent mean, earlier mean) | what is lost if the labels did not move with the answers |
| data | growth of the loss that the champion itself expects, the entropy of its answers | no truth; needs calibration |

Reference of the last: confidence-based performance estimation, as in J. Guillory et al., Predicting with confidence on
unseen distributions, ICCV 2021.
"""

import math
from collections.abc import Mapping
from typing import Any

SMALLEST = 1e-4


def impact_of(kind: str, evidence: Mapping[str, Any], expected_growth: float | None) -> tuple[float | None, str]:
    """Return the nats and what they were taken from; None where nothing tells.

    >>> impact_of("label", {"reference_share": 0.1, "recent_share": 0.2}, None)
    (0.0444, 'estimated from the share of the label')
    >>> impact_of("data", {}, None)
    (None, 'nothing tells')
    """
    if kind == "performance" and {"reference_mean", "recent_mean"} <= evidence.keys():
        return _nats(evidence["recent_mean"] - evidence["reference_mean"]), "measured on known truths"
    for name, what in (("share", "the share of the label"), ("mean", "the mean answer")):
        if kind in ("label", "prediction") and {f"reference_{name}", f"recent_{name}"} <= evidence.keys():
            return _nats(
                divergence(evidence[f"recent_{name}"], evidence[f"reference_{name}"])
            ), f"estimated from {what}"
    if kind == "data" and expected_growth is not None:
        return _nats(expected_growth), "estimated from what the champion expects of its own answers"
    return None, "nothing tells"


def divergence(now: float, then: float) -> float:
    """Return KL(now, then) of two shares, in nats."""
    p, q = (min(max(share, SMALLEST), 1 - SMALLEST) for share in (now, then))
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


def _nats(value: float) -> float:
    return round(float(value), 4)
