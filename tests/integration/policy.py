"""What tests put into the policy, and what they wait for."""

import asyncio
import json
import time
import uuid
from typing import Any

import psycopg2

from ml_pipeline.online.predicting.bundle import LinearBundle, Sample, ScaledBlock, encode
from ml_pipeline.online.predicting.features import REVISION

LABELS = ["price", "need", "urgency", "trust", "features", "competition"]
EVEN = ({"name": "plain", "weight": 1}, {"name": "warm", "weight": 1})
"""Two arms of one weight; the first is the control."""


def bundle(version: str, *, sure_of: str = "trust", task: str = "objection", is_honest: bool = True) -> LinearBundle:
    """A model that always answers ``sure_of`` with .9 and the rest with .1, whatever it is asked."""
    expected = {label: 0.9 if label == sure_of else 0.1 for label in LABELS}
    logit = 2.1972245773362196
    return LinearBundle(
        task=task, mode="anticipate", version=version, feature_revision=REVISION, labels=LABELS,
        thresholds=dict.fromkeys(LABELS, 0.5), blocks=[ScaledBlock(["turn"], [0.0], [1.0])],
        coefficients={label: [0.0] for label in LABELS},
        intercepts={label: logit if label == sure_of else -logit for label in LABELS}, calibration={},
        samples=[Sample({"turn": 0.0}, expected if is_honest else dict.fromkeys(LABELS, 0.4))],
    )  # fmt: skip


def publish(database, *states: tuple[LinearBundle, str, float], content: bytes | None = None) -> None:
    """Put exactly these versions into force, as a promotion does: one transaction."""
    with psycopg2.connect(database.owner_dsn) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE model_rollouts SET until = now() WHERE until IS NULL")
        for model, state, share in states:
            digest, encoded = encode(model)
            decision = str(uuid.uuid4())
            cursor.execute(
                "INSERT INTO model_bundles (digest, task, mode, version, content) VALUES (%s, %s, %s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                (digest, model.task, model.mode, model.version, content or encoded),
            )
            cursor.execute(
                "INSERT INTO decisions (decision, kind, task, mode, version, verdict, reason, evidence, actor)"
                " VALUES (%s, 'promotion', %s, %s, %s, 'PROMOTE', 'test', '{}', 'test')",
                (decision, model.task, model.mode, model.version),
            )
            cursor.execute(
                "INSERT INTO model_rollouts (task, mode, version, state, traffic_share, digest, decision)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s)",
                (model.task, model.mode, model.version, state, share, digest, decision),
            )
        cursor.execute("SELECT publish_policy()")
    connection.close()


async def versions_once(service, expected: set[str], seconds: float = 10.0) -> None:
    """Wait until the service runs exactly ``expected``, at most as long as a promise of ten seconds lasts."""
    started = time.monotonic()
    while True:
        metrics = await service.get_ml_pipeline_metrics()
        running = {model["version"] for model in metrics["model_updates"]["models"]}
        if running == expected:
            return
        assert time.monotonic() - started < seconds, f"still {running} after {seconds} s"
        await asyncio.sleep(0.05)


def experiment(database, name: str = "greeting", *, status: str = "running", config: Any = None, **fields: Any) -> str:
    """Keep an experiment of two even arms, but for what ``fields`` says of its config; return its id. Not published."""
    new = str(uuid.uuid4())
    kept = {"arms": EVEN, **fields} if config is None else config
    execute(
        database,
        "INSERT INTO ml_experiments (id, name, experiment_type, status, config) VALUES (%s, %s, 'test', %s, %s)",
        new, name, status, json.dumps(kept),
    )  # fmt: skip
    return new


def reconfigure(database, experiment_id: str, **fields: Any) -> None:
    """Change the config of an experiment and publish."""
    execute(
        database, "UPDATE ml_experiments SET config = config || %s WHERE id = %s", json.dumps(fields), experiment_id
    )
    execute(database, "SELECT publish_policy()")


def execute(database, statement: str, *values: Any, dsn: str | None = None) -> Any:
    """Run ``statement`` in a transaction of its own, as the owner or at ``dsn``; return its first value."""
    connection = psycopg2.connect(dsn or database.owner_dsn)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return (cursor.fetchone() or (None,))[0] if cursor.description else None
    finally:
        connection.close()


def rewrite(database, statement: str, *values: Any) -> None:
    """Change what the records keep as it was: nobody but a test does."""
    execute(database, f"SET LOCAL session_replication_role = replica; {statement}", *values)


def kill(database, name: str, *, is_on: bool = True, subject: str = "", dsn: str | None = None) -> None:
    """Set a kill switch as a person would from the dashboards."""
    statement = "SELECT set_kill_switch(%s, %s, 'test', 'tester', %s)"
    execute(database, statement, name, is_on, subject, dsn=dsn or database.dashboards_dsn)


def document(database) -> dict[str, Any]:
    """The policy in force, as published."""
    return dict(execute(database, "SELECT document FROM policy"))
