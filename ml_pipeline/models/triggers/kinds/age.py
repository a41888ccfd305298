from datetime import timedelta
from typing import ClassVar

from ml_pipeline.models.triggers.standing import Standing
from ml_pipeline.models.triggers.trigger import Figure, Finding, Hope, State, Trigger


class Age(Trigger, frozen=True, kw_only=True, tag="age"):
    """What the champion learnt ends more than ``max_days`` ago.

    Nobody need have seen a change: figures see it late, so this one also goes against a flat learning curve.
    """

    hope: ClassVar[Hope] = Hope.CHANGE

    max_days: Figure

    def judge(self, standing: Standing) -> Finding:
        if standing.champion is None:
            return Finding(State.QUIET, "nobody serves, nobody grows old")
        learnt_until = standing.champion.learnt_until or standing.champion.since
        age = standing.now - learnt_until
        state = State.FIRED if age > timedelta(days=self.max_days) else State.QUIET
        headline = (
            f"{standing.champion.version} has learnt nothing of the last {age.days} days; {self.max_days:g} are allowed"
        )
        return Finding(state, headline, evidence={"days": age.days})
