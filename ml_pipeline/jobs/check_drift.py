import logging

from ml_pipeline.database.engine import transaction
from ml_pipeline.drift import store
from ml_pipeline.drift.verdicts import judge
from ml_pipeline.settings import load_settings

log = logging.getLogger(__name__)


def run() -> dict[str, int]:
    """Compare the newest window with its references and replace its checks.

    Returns ``checks`` made, ``findings`` among them, and ``not_enough_data``: subjects, or with too few conversations
    at all the window itself, that could not be tested.
    """
    tasks = load_settings().tasks
    with transaction() as tx:
        store.lock(tx)
        samples = store.due_samples(tx)
        if samples is None:
            log.info("drift.not_enough_data")
            return {"checks": 0, "findings": 0, "not_enough_data": 1}
        reference = store.inputs(tx, samples.inputs_reference, tasks) | store.answers(
            tx, samples.answers_reference, tasks
        )
        recent = store.inputs(tx, samples.recent, tasks) | store.answers(tx, samples.recent, tasks)
        checks = judge(reference, recent)
        store.replace(tx, samples, checks)
    tested = sum(check.comparison is not None for check in checks)
    findings = sum(check.has_drifted for check in checks)
    log.info("drift.checked window_end=%s checks=%d findings=%d", samples.recent.interval.end, tested, findings)
    return {"checks": tested, "findings": findings, "not_enough_data": len(checks) - tested}
