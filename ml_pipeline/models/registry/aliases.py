"""What becomes of an alias, given what Postgres says, what MLflow says, and what we last made it say."""

from enum import StrEnum

ALIASES = ("champion", "challenger", "holdback", "previous")
"""Those that mirror the rollouts; any other is nobody's business of ours."""


class Act(StrEnum):
    LEAVE = "left"
    FOLLOW = "followed"
    REVERT = "reverted"


NOBODY: int | None = None

Ours = frozenset[int | None]
"""What we made an alias name: one number, two where we were cut off while setting it; of one never set, nobody."""


def judge(wanted: int | None, held: int | None, ours: Ours = frozenset({NOBODY})) -> Act:
    """Return what to do with an alias that names ``held`` where it should name ``wanted``.

    What we made it name ourselves lags behind and follows; what somebody else made it name is reverted.

    >>> judge(wanted=2, held=1, ours=frozenset({1})), judge(wanted=2, held=3, ours=frozenset({2}))
    (<Act.FOLLOW: 'followed'>, <Act.REVERT: 'reverted'>)
    """
    if held == wanted:
        return Act.LEAVE
    return Act.FOLLOW if held in ours else Act.REVERT
