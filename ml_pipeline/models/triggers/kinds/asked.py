from typing import ClassVar

from ml_pipeline.models.triggers.standing import Standing
from ml_pipeline.models.triggers.trigger import Finding, Hope, State, Trigger


class Asked(Trigger, frozen=True, kw_only=True, tag="asked"):
    """An agent asked for it (``queue_update``). What a person asks for needs no trigger."""

    hope: ClassVar[Hope] = Hope.WISH

    def judge(self, standing: Standing) -> Finding:
        open_ones = [each for each in standing.waiting if not each.is_accepted]
        if not open_ones:
            return Finding(State.QUIET, "nobody asks for it")
        first = min(open_ones, key=lambda each: each.requested_at)
        headline = (
            f"asked for {len(open_ones)} times, first at {first.requested_at:%Y-%m-%d %H:%M}: {first.reason or '…'}"
        )
        return Finding(State.FIRED, headline, evidence={"requests": [each.request for each in open_ones]})
