"""Put to a person what waits for one, and write down the answer."""

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ml_pipeline.database.engine import transaction
from ml_pipeline.models.approvals import store
from ml_pipeline.models.approvals.wording import body, subject
from ml_pipeline.models.publication import admit
from ml_pipeline.models.rollouts.terms import terms_of
from ml_pipeline.settings import load_settings

log = logging.getLogger(__name__)

GRANT, DECLINE = "Grant", "Decline"
SHORTEST_WAIT = timedelta(seconds=30)

Asked = dict[str, Any]


def take(run_id: str | None, now: datetime | None = None, *, again: bool = False) -> list[Asked]:
    """Return what the Airflow run ``run_id`` is to ask: the most urgent question that no other run asks, if any.

    The keys are those of Airflow's human-in-the-loop operator. ``again``: also what runs ask that are gone. Questions
    whose time is over get their default answer first.
    """
    _admit()
    with transaction() as tx:
        expired = store.expire(tx)
        shown_again = store.show_again(tx) if again else 0
        approval = store.take(tx, run_id or "by hand")
    log.info(
        "approvals.taken expired=%d shown_again=%d asked=%s", expired, shown_again, (approval or {}).get("approval")
    )
    if approval is None:
        return []
    wait = max(approval["answer_by"] - (now or datetime.now(UTC)), SHORTEST_WAIT)
    return [
        {
            "subject": subject(approval),
            "body": body(approval),
            "defaults": GRANT if approval["default_answer"] else DECLINE,
            "response_timeout": wait,
        }
    ]


def record(run_id: str | None, answers: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Write down what was answered to the question that ``run_id`` asked; return status, actor and answer.

    ``answers``: what Airflow's operator returned; without ``responded_by_user`` nobody answered, and the default holds.
    """
    (given,) = answers
    is_granted = given["chosen_options"] == [GRANT]
    because = str((given.get("params_input") or {}).get("why") or "").strip()
    person = given.get("responded_by_user")
    with transaction() as tx:
        approval = store.shown_in(tx, run_id or "by hand")
        told = store.answer(
            tx,
            approval,
            is_granted=is_granted,
            actor=(person.get("name") or person["id"]) if person else store.TIME_OUT,
            because=because or "answered in Airflow" if person else "nobody answered in time",
        )
    _admit()
    log.info("approvals.answered approval=%s status=%s granted=%s", approval, told["status"], told["is_granted"])
    return {"status": told["status"], "actor": str(told["actor"]), "is_granted": str(told["is_granted"])}


def _admit() -> None:
    """Let in, or reject, the candidates that somebody has answered about, be it on the command line."""
    settings = load_settings()
    with transaction() as tx:
        admit(tx, settings.tasks, terms_of(settings))
