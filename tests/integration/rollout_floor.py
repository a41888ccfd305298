"""Facts of conversations that two versions scored, written as the projection would; and how a rollout is watched."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
from psycopg2.extras import Json, execute_values

from ml_pipeline.database.engine import transaction
from ml_pipeline.models import publication
from ml_pipeline.models.rollouts.terms import AT_ONCE, Terms
from ml_pipeline.models.store import Decided
from ml_pipeline.online.policy.routing import rollout_id
from ml_pipeline.vocabulary.tasks import NEEDS
from ml_pipeline.vocabulary.verdicts import GateVerdict
from tests.conftest import Database
from tests.integration.events import rows
from tests.integration.policy import execute, rewrite

OLD, NEW, NEWER = (f"needs.detect/{number}" for number in (1, 2, 3))
DAYS_AGO = 40
"""How long ago a rollout is made to have begun: its conversations have come of age since."""
BEGUN = (datetime.now(UTC) - timedelta(days=DAYS_AGO)).replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)


@dataclass(frozen=True)
class Floor:
    """Conversations a quarter of an hour apart, of one customer turn each, in which information is asked for.

    ``share``: which part was drawn for ``ours``; None: nobody was drawn, ``theirs`` acted. ``ours_p``, ``theirs_p``:
    what either says of it. ``is_sold``, ``fails``: of which conversations, by number, and whether ``ours`` was drawn.
    ``policy``: which one its agents obeyed; None: the one in force.
    """

    ours: str = NEW
    theirs: str = OLD
    first: int = 0
    conversations: int = 400
    share: float | None = None
    ours_p: float = 0.8
    theirs_p: float = 0.8
    is_sold: Callable[[int, bool], bool] = lambda number, is_ours: number % 4 < 2
    fails: Callable[[int], bool] = lambda number: False
    customer: Callable[[int], str | None] = lambda number: None
    latency_ms: float = 5.0
    policy: tuple[int, int] | None = None


def open_floor(database: Database, floor: Floor) -> None:
    """Write the facts of ``floor``, told by agents that obey the policy in force; every hour of it is trusted."""
    policy = next((row["epoch"], row["n"]) for row in rows(database, "SELECT epoch, n FROM policy"))
    at = {
        number: BEGUN + timedelta(minutes=15 * number)
        for number in range(floor.first, floor.first + floor.conversations)
    }
    ids = {number: str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))) for number in at}
    drawn = {number: floor.share is not None and number % 100 < 100 * floor.share for number in at}
    tables: dict[str, list[tuple[Any, ...]]] = {
        "quality_verdicts": [(hour, "trusted") for hour in sorted({moment.replace(minute=0) for moment in at.values()})]
    }
    tables["conversations"] = [
        (ids[n], "agent", floor.customer(n), moment, moment) for n, moment in at.items()
    ]  # fmt: skip
    tables["turns"] = [(ids[n], 0, moment, "user", "how?", ids[n]) for n, moment in at.items()]
    tables["predictions"] = [
        (*each, *(floor.policy or policy))
        for n, moment in at.items()
        for each in _answers(floor, n, (ids[n], moment), drawn[n])
    ]
    tables["labels"] = [
        (_id(n, "label"), ids[n], 0, "needs", ["information"], "human", 1, moment, moment) for n, moment in at.items()
    ]
    tables["outcomes"] = [
        (_id(n, "sale"), ids[n], moment, moment + timedelta(days=1), "done", floor.is_sold(n, drawn[n]), "agent")
        for n, moment in at.items()
    ]
    if floor.share is not None:
        tables["assignments"] = [
            (ids[n], rollout_id(floor.ours), "rollout needs.detect", floor.ours if drawn[n] else floor.theirs,
             "conversation", floor.customer(n) or ids[n], floor.share if drawn[n] else 1 - floor.share, "drawn", moment,
             1, 1, ids[n])
            for n, moment in at.items()
        ]  # fmt: skip
    with psycopg2.connect(database.owner_dsn) as connection, connection.cursor() as cursor:
        for day in {moment.date() for moment in at.values()}:
            cursor.execute(
                "SELECT ensure_day_partition(name, %s) FROM unnest(ARRAY['turns', 'predictions']) AS name", (day,)
            )
        for table, values in tables.items():
            execute_values(cursor, INSERTS[table], values)
    connection.close()


def _answers(floor: Floor, number: int, where: tuple[str, datetime], is_ours: bool) -> list[tuple[Any, ...]]:
    conversation, at = where
    share = floor.share or 0.0
    has_failed = floor.fails(number)
    acts = floor.ours if is_ours and not has_failed else floor.theirs
    given = [(floor.theirs, floor.theirs_p, 1 - share)]
    given += [] if has_failed else [(floor.ours, floor.ours_p, share)]
    return [
        (conversation, 0, "needs", "detect", version, at, Json({"information": p}), ["information"], version == acts,
         floor.latency_ms, conversation, chance)
        for version, p, chance in given
    ]  # fmt: skip


def _id(number: int, what: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{number} {what}"))


INSERTS = {
    "quality_verdicts": "INSERT INTO quality_verdicts (hour, state) VALUES %s ON CONFLICT DO NOTHING",
    "conversations": "INSERT INTO conversations (conversation_id, source, customer_key, started_at, last_event_at)"
    " VALUES %s",
    "turns": "INSERT INTO turns (conversation_id, turn, at, role, content, event_id) VALUES %s",
    "predictions": "INSERT INTO predictions (conversation_id, turn, task, mode, version, at, probabilities, labels,"
    " is_served, latency_ms, event_id, propensity, policy_epoch, policy_n) VALUES %s",
    "labels": "INSERT INTO labels (event_id, conversation_id, turn, task, labels, source, source_rank, at, learnt_at)"
    " VALUES %s",
    "outcomes": "INSERT INTO outcomes (event_id, conversation_id, at, learnt_at, outcome, is_sold, source) VALUES %s",
    "assignments": "INSERT INTO assignments (conversation_id, experiment_id, experiment, arm, unit, unit_id,"
    " propensity, reason, at, policy_epoch, policy_n, event_id) VALUES %s",
}


def passed(version: str, against: str | None, terms: Terms = AT_ONCE) -> None:
    """Let ``version`` pass its gate against a champion, as a retraining does."""
    digest = uuid.uuid5(uuid.NAMESPACE_OID, version).hex
    evidence = {
        "champion": against, "dataset": {"digest": digest, "recipe_digest": "r"},
        "trained_from": "2026-01-01T00:00:00+00:00", "trained_until": f"2026-02-0{version[-1]}T00:00:00+00:00",
    }  # fmt: skip
    with transaction() as tx:
        decided = Decided(GateVerdict.PROMOTE, f"{version} is better", evidence, version)
        publication.settle(tx, NEEDS, decided, (digest, b"bundle"), terms)


def let_time_pass(database: Database, days: float = DAYS_AGO) -> None:
    """Let what holds have begun so many days earlier."""
    rewrite(database, "UPDATE model_rollouts SET since = since - %s * interval '1 day' WHERE until IS NULL", days)


def states(database: Database) -> dict[str, str]:
    found = rows(database, "SELECT version, state FROM model_rollouts WHERE until IS NULL")
    return {row["version"]: row["state"] for row in found}


def in_policy(database: Database) -> list[tuple[str, str, float, str]]:
    document = execute(database, "SELECT document FROM policy")
    return [(each["version"], each["state"], each["traffic_share"], each["salt"]) for each in document["models"]]


def decided(database: Database, kind: str = "rollout") -> list[dict[str, Any]]:
    return [row for row in rows(database, "SELECT * FROM decisions ORDER BY decided_at") if row["kind"] == kind]
