"""Which version is to answer a conversation: a pure function, the same in every process."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml_pipeline.online.policy.assignment import Assignment, place, unit_of
from ml_pipeline.online.policy.document import ModelEntry
from ml_pipeline.vocabulary.tasks import CALLER

ROLLOUTS = uuid.UUID("0d0f3c0a-52a5-5c1e-8a53-6f2f1f7a9f52")
"""The namespace of the ids under which rollouts stand among the assignments."""

ANSWERING = frozenset({"champion", "canary", "holdback"})


@dataclass(frozen=True, slots=True)
class Route:
    """Who is to answer a conversation of a task.

    ``chances``: the chance each version had of that; who is not named had none. ``drawn``: where chance decided.
    """

    version: str
    chances: Mapping[str, float]
    drawn: Assignment | None = None
    rollout_id: str = ""

    def chance(self, version: str, *, is_served: bool) -> float:
        """Return the chance ``version`` had of answering; one that is served in another's place has that one's."""
        return self.chances.get(version, self.chances[self.version] if is_served else 0.0)


def rollout_id(salt: str) -> str:
    """Return the experiment id of the rollout in which the version called ``salt`` is tried and held against its like.

    >>> rollout_id("needs.detect/2")
    'fcb4e570-ce32-5142-adcd-d2dc2947515b'
    """
    return str(uuid.uuid5(ROLLOUTS, salt))


def is_kept(held: Route | None, entries: Sequence[ModelEntry]) -> bool:
    """Whether who answered a conversation before may go on: as long as the version answers anybody."""
    return held is not None and any(entry.version == held.version and entry.state in ANSWERING for entry in entries)


def route(entries: Sequence[ModelEntry], conversation: str, about: Mapping[str, object]) -> Route:
    """Return who is to answer the conversation with this UUID, of which ``about`` is known.

    ``entries``: the versions of one task that the policy names. A canary answers the units whose place is below its
    share, so that who had it keeps it when the share grows; a holdback those at the top end. Customers are placed by
    their key, so that one who comes back meets the same version. Without a champion to stand against, nobody is tried.

    >>> champion = ModelEntry("needs", "detect", "needs.detect/1", "champion", 1.0, "")
    >>> canary = ModelEntry("needs", "detect", "needs.detect/2", "canary", 0.25, "", "needs.detect/2")
    >>> route([champion, canary], "c-1", {}).chances
    {'needs.detect/1': 0.75, 'needs.detect/2': 0.25}
    >>> route([], "c-1", {}).version
    'caller'
    """
    champion = next((entry.version for entry in entries if entry.state == "champion"), CALLER)
    tried = next((entry for entry in entries if entry.state in {"canary", "holdback"}), None)
    if tried is None or champion == CALLER:
        return Route(champion, {champion: 1.0})
    unit, unit_id = unit_of(about, conversation)
    at = place(tried.salt, "rollout", unit_id)
    share = tried.traffic_share
    is_tried = at < share if tried.state == "canary" else at >= 1 - share
    version, chances = tried.version if is_tried else champion, {champion: 1 - share, tried.version: share}
    return Route(version, chances, Assignment(version, unit, unit_id, chances[version]), rollout_id(tried.salt))
