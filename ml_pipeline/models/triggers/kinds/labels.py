from typing import ClassVar

from ml_pipeline.models.triggers.standing import Standing
from ml_pipeline.models.triggers.trigger import Count, Figure, Finding, Hope, State, Trigger


class Labels(Trigger, frozen=True, kw_only=True, tag="labels"):
    """So many closed conversations with a known truth that no gate has seen.

    ``growth``: as a share of those the last gate had, for what a model gains by more data shrinks with their number.
    """

    hope: ClassVar[Hope] = Hope.MORE_DATA

    min_conversations: Count = 200
    growth: Figure = 0.5

    def judge(self, standing: Standing) -> Finding:
        seen = standing.judged.conversations if standing.judged else 0
        bound = max(self.min_conversations, round(self.growth * seen))
        state = State.FIRED if standing.new_labels >= bound else State.QUIET
        headline = (
            f"{standing.new_labels:,} labelled conversations since the last gate had {seen:,}; {bound:,} make it due"
        )
        return Finding(state, headline, evidence={"new": standing.new_labels, "seen": seen, "bound": bound})
