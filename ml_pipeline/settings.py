"""Settings: a TOML file, each value overridable by an environment variable.

The file is ``$ML_PIPELINE_SETTINGS``, else ``.local/settings.toml`` below the working directory, else none.
``ML_PIPELINE_<NAME>`` in the environment wins over the file.
"""

import os
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from ml_pipeline.errors import SettingsError
from ml_pipeline.vocabulary.approvals import ApprovalRule
from ml_pipeline.vocabulary.rollouts import STEPS, Step
from ml_pipeline.vocabulary.tasks import DEFAULT_TASKS, Task

PREFIX = "ML_PIPELINE_"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator may set. Every default is safe."""

    capture_dsn: str = "postgresql://ml_capture@127.0.0.1/ml_pipeline"
    """Where the agent ships events: role ``ml_capture``."""
    jobs_dsn: str = "postgresql://ml_jobs@127.0.0.1/ml_pipeline"
    """Where jobs read and write: role ``ml_jobs``."""
    dashboards_dsn: str = "postgresql://ml_dashboards@127.0.0.1/ml_pipeline"
    """Where pages read: role ``ml_dashboards``."""
    mlflow_uri: str = "http://127.0.0.1:5000"
    spool: Path = Path(".local/spool")
    """Folder on a local disk where events wait until Postgres has them."""
    cache: Path = Path(".local/cache")
    """Folder for the last policy snapshot and the model bundles."""
    data_docs: Path = Path(".local/data_docs")
    """Folder for the pages of what the quality gate found; where pages are served by another host, a shared one."""
    customer_key: str = ""
    """Secret of the keyed hash that stands for a customer; empty: customers are not linked."""
    customer_fields: tuple[str, ...] = ()
    """Fields of the customer's data or the context that are kept, masked, beside an age band; no others are."""
    spool_max_bytes: int = 1 << 30
    spool_when_full: Literal["refuse", "drop_oldest"] = "refuse"
    """What a full spool gives up: the new event, or the oldest events that nobody writes or ships. Both are counted."""
    fsync_seconds: float = 0.05
    """How often the disk is made to keep what was written: what a power cut can take. 0: each event, before its call
    returns; the call then waits for the disk."""
    shipper: Literal["process", "thread", "none"] = "process"
    """What moves the spool into Postgres: a process of its own, a thread of the agent, or somebody else."""
    policy_poll_seconds: float = 5.0
    predict_budget_ms: float = 50.0
    """What the models that answer a call may take of it; those that run beside them as much again."""
    words_min_conversations: int = 5
    """A model sees only words said in at least so many other conversations, each of another customer."""
    read_sentences: bool = False
    """Whether models may learn from what a sentence means: needs ml-pipeline[embeddings] here and with every agent, and
    a ``predict_budget_ms`` of 400 or so, for reading one takes a core 10 to 40 ms."""
    sold_tiers: tuple[str, ...] = ()
    """Tiers whose selection alone counts as a sale."""
    attribution_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 30
    """A sale learnt later than that after the start of its conversation counts for no rate, and until then the
    conversation teaches and judges nothing about it."""
    label_days: Annotated[float, msgspec.Meta(ge=0, le=365)] = 2.0
    """So long after a conversation's last turn nobody is expected to label its turns any more: it may teach then."""
    refund_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 30
    """Revenue is provisional until so long after its last sale."""
    maturity_reference_weeks: Annotated[int, msgspec.Meta(ge=2, le=104)] = 12
    """How much mature history the delay of sales is learnt from."""
    gate_error_budget: Annotated[float, msgspec.Meta(gt=0, lt=0.5)] = 0.10
    """Chance that a task's gates promote a model no better than the champion, in ``gate_budget_gates`` of them in a
    row; each gets an equal part."""
    gate_budget_gates: Annotated[int, msgspec.Meta(ge=1)] = 26
    gate_min_positives: int = 50
    """Examples in the gate block below which nothing is decided."""
    gate_max_bundle_mb: Annotated[float, msgspec.Meta(gt=0)] = 30.0
    """What a model may weigh as agents fetch and keep it."""
    gate_share: Annotated[float, msgspec.Meta(ge=0.05, le=0.5)] = 0.25
    """The newest share of the conversations that may be used judges; more where it lacks examples."""
    refit_promoted: bool = False
    """Whether what passed its gate is trained again, by its recipe, on the rows that judged it too, and then serves: it
    is fresher by the gate block, unproven itself, and watched by the rollout."""
    weigh_by_propensity: Literal["no", "rollouts", "all"] = "no"
    """Whether rows stand for those that a canary or holdback (rollouts), or any experiment as well (all), kept from
    what they got: each weighs 1 / its propensity, in training and in the gate."""
    max_propensity_weight: Annotated[float, msgspec.Meta(ge=1)] = 10.0
    """The most one row may weigh by that."""
    train_on_derived_labels: bool = False
    """Whether models learn from labels that the act tagger derived too; none is ever judged by them."""
    tasks: tuple[Task, ...] = DEFAULT_TASKS
    rollout_steps: tuple[Step, ...] = STEPS
    """Shares of conversations that a challenger answers one after the other, ``[[rollout_steps]] share = 0.05``, each
    with the ``min_matured`` conversations it must have seen of full age; empty: what passes its gate is champion."""
    rollout_sale_days: Annotated[float, msgspec.Meta(gt=0, le=365)] = 7.0
    """The age at which a rollout looks whether a conversation was sold; ``attribution_days`` at most."""
    rollout_false_stop: Annotated[float, msgspec.Meta(gt=0, lt=0.5)] = 0.05
    """The chance that a challenger is taken back that does no harm: over a whole rollout and all of its tests."""
    rollout_false_advance: Annotated[float, msgspec.Meta(gt=0, lt=0.5)] = 0.025
    """The chance that a step goes on though the challenger is worse by a margin."""
    rollout_false_superiority: Annotated[float, msgspec.Meta(gt=0, lt=0.5)] = 0.01
    """The chance that a challenger is said to sell more that does not."""
    rollout_sales_margin: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.15
    """The part of the champion's sales that a challenger may lose at most to go on."""
    rollout_quality_margin: Annotated[float, msgspec.Meta(gt=0)] = 0.01
    """By how much its log loss may be higher at most, in nats."""
    rollout_min_shadow: Annotated[int, msgspec.Meta(ge=0)] = 500
    """Conversations that both versions score before a customer hears the challenger."""
    holdback_share: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.05
    """The share of conversations that stays with the former champion after a promotion; 0: none."""
    holdback_days: Annotated[float, msgspec.Meta(ge=0, le=365)] = 14.0
    """For how long it does."""
    keep_versions: Annotated[int, msgspec.Meta(ge=1)] = 20
    """How many of a task's newest versions are kept, whatever their age; see docs/history.md for which always are."""
    keep_versions_days: Annotated[int, msgspec.Meta(ge=1)] = 180
    """For how long the others are kept after the last thing that was decided of them."""
    mlflow_store_uri: str = ""
    """MLflow's own database, to free what was deleted there; empty: it stays until somebody runs ``mlflow gc``."""
    moved_alias: Literal["revert", "request"] = "revert"
    """What becomes of the alias champion that somebody moved in MLflow. It is moved back either way; with ``request``
    a retraining of the task is asked for as well, whose candidate goes through the gate."""
    approvals: tuple[ApprovalRule, ...] = ()
    """Which steps of a rollout wait for a person, ``[[approvals]] kinds = ["first", "champion"]``; see
    docs/retraining.md. None do by default."""
    retraining_triggers: tuple[dict[str, Any], ...] = ()
    """Triggers of the operator's own, and fields that replace those of a shipped one of the same name; see
    docs/retraining.md. They are read where they are judged, so that a broken one stops nothing else."""
    retrainings_per_week: Annotated[int, msgspec.Meta(ge=0)] = 3
    """How often a task is retrained within seven days at most, but for what a person asks: each gate costs error."""
    alert_rules: tuple[dict[str, Any], ...] = ()
    """Alert rules of the operator's own, and fields that replace those of a shipped one of the same name; see
    docs/alerts.md. They are read where they are judged, so that a broken one stops neither agents nor other rules."""


def load_settings() -> Settings:
    """Return the settings of this process, read once.

    Raises:
        SettingsError: if the file cannot be read or a value has the wrong type.
    """
    return _read(_settings_file(), tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith(PREFIX))))


def _settings_file() -> Path | None:
    named = os.environ.get(f"{PREFIX}SETTINGS")
    path = Path(named) if named else Path(".local/settings.toml")
    if named or path.is_file():
        return path.resolve()
    return None


def _decode(kind: type, value: Any) -> Any:
    """Read what msgspec has no notion of: paths."""
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(f"no reading of {kind}")


@cache
def _read(path: Path | None, environment: tuple[tuple[str, str], ...]) -> Settings:
    values: dict[str, Any] = {}
    if path is not None:
        import tomllib

        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"cannot read settings {path}: {error}; mend the file or unset {PREFIX}SETTINGS"
            ) from error
    fields = set(Settings.__struct_fields__) - {
        "tasks",
        "rollout_steps",
        "alert_rules",
        "approvals",
        "retraining_triggers",
    }
    for name, value in environment:
        field = name.removeprefix(PREFIX).lower()
        if field in fields:
            values[field] = value.split(",") if field in {"sold_tiers", "customer_fields"} else value
    try:
        return msgspec.convert(values, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"settings {path or 'from the environment'}: {error}; see ml_pipeline/settings.py"
        ) from error
