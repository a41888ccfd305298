"""The rows of a conversation: its customer turns with a known truth, as their features were when they were spoken."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ml_pipeline.models.conversations import Arm, LabelledConversation, Spoken
from ml_pipeline.models.names import model_name
from ml_pipeline.models.specification import Terms
from ml_pipeline.online.predicting.features import (
    CATEGORY_COLUMNS,
    NUMBER_COLUMNS,
    TEXT_COLUMNS,
    FeatureRow,
    Heard,
    feature_digest,
)
from ml_pipeline.vocabulary.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

CUSTOMER_ROLE = "user"
FEATURE_COLUMNS = tuple(dict.fromkeys([*TEXT_COLUMNS, *NUMBER_COLUMNS, *CATEGORY_COLUMNS]))
ROWS_AT_ONCE = 20_000
"""So many rows are Python values at a time; pandas keeps the others in a quarter of the room."""

Record = tuple[dict[str, Any], FeatureRow, tuple[str, ...]]
"""What names a row, its features, its labels."""


class Table:
    """Rows on their way into a table: values wait until they are enough to be packed."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = list(columns)
        self._waiting: list[dict[str, Any]] = []
        self._packed: list[pd.DataFrame] = []

    def add(self, row: dict[str, Any]) -> None:
        self._waiting.append(row)
        if len(self._waiting) == ROWS_AT_ONCE:
            self._pack()

    def whole(self) -> "pd.DataFrame":
        import pandas as pd

        if self._waiting or not self._packed:
            self._pack()
        return pd.concat(self._packed, ignore_index=True)

    def _pack(self) -> None:
        import pandas as pd

        values = {column: [row[column] for row in self._waiting] for column in self._columns}
        self._packed.append(pd.DataFrame(values))
        self._waiting.clear()


def records(
    task: Task, conversation: LabelledConversation, terms: Terms | None, left_out: Counter[str]
) -> Iterator[Record]:
    """Yield the rows of a conversation; the turns that may not be learnt from are counted by reason."""
    known = []
    for spoken, row, digest, flaw in featured(conversation):
        truth = conversation.truths.get(spoken.turn if task.scope == "turn" else None)
        reason = flaw if conversation.is_truth_trusted else "the hour its truth came from is not trusted"
        if truth and reason:
            left_out[reason] += 1
        elif truth:
            known.append((row, digest, truth))
    propensity = _chance(arm for arm in conversation.arms if arm.experiment == rollout_of(task))
    arm_propensity = _chance(arm for arm in conversation.arms if arm.experiment != rollout_of(task))
    weight = propensity_weight(terms, propensity, arm_propensity)
    named = {
        "conversation_id": conversation.conversation_id,
        "customer_group": conversation.customer_group,
        "started_at": conversation.started_at,
        "is_seen_before": conversation.is_seen_before,
        "arms": arms_in_words(conversation.arms),
        "propensity": propensity,
        "arm_propensity": arm_propensity,
    }
    for row, digest, truth in known:
        # One truth for a whole conversation counts once, however long it talked.
        share = 1.0 if task.scope == "turn" else 1 / len(known)
        yield (
            named
            | {
                "learnt_at": truth.learnt_at,
                "label_source": truth.source,
                "weight": share * weight,
                "feature_digest": digest,
            },
            row,
            truth.labels,
        )


def rollout_of(task: Task) -> str:
    """Return the experiment under which it is kept which version of the task a conversation got."""
    return f"rollout {model_name(task)}"


def _chance(arms: Iterable[Arm]) -> float:
    return math.prod((arm.propensity for arm in arms), start=1.0)


def arms_in_words(arms: Sequence[Arm]) -> str:
    """Return the arms of a conversation as ``experiment=arm``, in order."""
    return "; ".join(sorted(f"{arm.experiment}={arm.name}" for arm in arms))


def propensity_weight(terms: Terms | None, propensity: float, arm_propensity: float) -> float:
    """Return for how many rows this one stands: those that the version and the arms it got might have got as well.

    At most ``max_propensity_weight``, so that one rare row cannot outweigh a thousand; that biases towards what acted
    more often, a little.

    >>> from ml_pipeline.models.specification import Window
    >>> terms = Terms(Window(2, False), 0.25, 50, False, "rollouts", 10.0)
    >>> propensity_weight(terms, 0.25, 0.5), propensity_weight(terms, 0.05, 1.0)
    (4.0, 10.0)
    """
    if terms is None or terms.weighting == "no":
        return 1.0
    chance = propensity if terms.weighting == "rollouts" else propensity * arm_propensity
    return min(1 / max(chance, 1e-9), terms.max_propensity_weight)


def featured(conversation: LabelledConversation) -> Iterator[tuple[Spoken, FeatureRow, str, str]]:
    """Yield each customer turn with its features, their digest, and why it may not be learnt from, or ""."""
    heard = Heard()
    for place, spoken in enumerate(conversation.spoken):
        heard.add(spoken.role, spoken.content)
        if spoken.role == CUSTOMER_ROLE:
            row = heard.row(spoken.context)
            digest = feature_digest(row)
            yield spoken, row, digest, _flaw(place, spoken, digest)


def _flaw(place: int, spoken: Spoken, digest: str) -> str:
    if spoken.turn != place:
        return "an earlier turn is missing"
    if not spoken.is_trusted:
        return "its hour is not trusted"
    if spoken.stored_digest not in (None, digest):
        return "its features differ from those stored with its prediction"
    return ""
