"""Delete what is kept no longer: old versions of models, in Postgres and in MLflow."""

import logging
from datetime import UTC, datetime, timedelta

from ml_pipeline.database.engine import transaction
from ml_pipeline.models.names import model_name
from ml_pipeline.models.registry import Registry, cleaning, store
from ml_pipeline.settings import load_settings

log = logging.getLogger(__name__)

ACTOR = "apply_retention"
RESTORABLE = timedelta(days=7)
"""For so long what was deleted in MLflow may be restored there, whoever deleted it."""


def clean_registry(now: datetime | None = None, actor: str = ACTOR) -> dict[str, int]:
    """Delete due versions, and the runs that left none; the records keep what was decided of them.

    Returns how many ``versions`` became due, how many of them MLflow ``deleted`` (earlier ones too, where it was down
    then), and ``runs`` without a version that it did.

    Raises:
        RegistryError: if MLflow fails; the next run goes on where it was left.
    """
    settings, now = load_settings(), now or datetime.now(UTC)
    before = now - timedelta(days=settings.keep_versions_days)
    because = (
        f"nothing was decided of it for {settings.keep_versions_days} days, and {settings.keep_versions} of its task"
        " are newer"
    )
    # Postgres first: what it gave up serves nobody, whatever MLflow still holds.
    with transaction() as tx:
        due = store.delete_due(tx, before, settings.keep_versions, because=because, actor=actor)
    with transaction() as tx:
        given_up = store.deleted(tx)
    uri = settings.mlflow_uri
    Registry(uri).reach()
    held = {model: set(cleaning.numbers(uri, model)) for model in {version.model for version in given_up}}
    still_there = [version for version in given_up if version.number in held[version.model]]
    for version in still_there:
        cleaning.delete(uri, version)
    runs = sum(cleaning.delete_runs(uri, model_name(task), before) for task in settings.tasks)
    if settings.mlflow_store_uri:
        cleaning.purge(uri, settings.mlflow_store_uri, RESTORABLE)
    log.info("registry.cleaned versions=%d deleted=%d runs=%d", len(due), len(still_there), runs)
    return {"versions": len(due), "deleted": len(still_there), "runs": runs}
