"""MLflow: runs with their evidence, registered versions, aliases. Nothing else imports it."""

import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ml_pipeline.errors import RegistryError
from ml_pipeline.models.names import model_name
from ml_pipeline.vocabulary.tasks import Task

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from sklearn.pipeline import Pipeline

log = logging.getLogger(__name__)

TRUSTED_TYPES = [
    "ml_pipeline.models.heads.LabelHeads",
    "ml_pipeline.models.heads.TreeHeads",
    "ml_pipeline.models.known_words.KnownWords",
    "ml_pipeline.models.scaled_counts.ScaledCounts",
    "ml_pipeline.models.sentence_vectors.SentenceVectors",
    "ml_pipeline.models.text_terms.TextTerms",
]
"""The only types beyond scikit-learn's and numpy's own that a model file may hold."""
FROZEN_FILE, DATASET_FILE, EVIDENCE_FILE = "frozen_rows.csv.gz", "dataset.json", "evidence.json"
CARD_FILE, MODEL_FILE = "card.md", "model.skops"
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # seven wait two minutes for a server that is down
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


@dataclass(frozen=True, slots=True)
class Registered:
    """A registered version: ``name`` as facts, rollouts and policy know it, ``objection.detect/3``."""

    model: str
    number: int

    @classmethod
    def named(cls, name: str) -> "Registered":
        """Return the version called ``name``."""
        model, _, number = name.rpartition("/")
        return cls(model, int(number))

    @property
    def name(self) -> str:
        return f"{self.model}/{self.number}"


class Registry:
    """The MLflow server at ``uri``. A run holds what one retraining of one task left behind."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def start(self, task: Task, frozen: "pd.DataFrame", dataset: Mapping[str, Any]) -> str:
        """Open a run with its frozen rows and what is known of them; return its id."""
        with self._mlflow("open a run") as mlflow:
            experiment = mlflow.get_experiment_by_name(model_name(task))
            experiment_id = experiment.experiment_id if experiment else mlflow.create_experiment(model_name(task))
            with mlflow.start_run(experiment_id=experiment_id) as run, TemporaryDirectory() as folder:
                path = Path(folder) / FROZEN_FILE
                frozen.to_csv(path, index=False)
                mlflow.log_artifact(str(path))
                # MLflow keeps 36 characters of a digest; the tag has all.
                rows = mlflow.data.from_pandas(frozen, name=model_name(task), digest=dataset["digest"][:32])
                mlflow.log_input(rows, context="training")
                mlflow.log_dict(dict(dataset), DATASET_FILE)
                mlflow.set_tags({"dataset_digest": dataset["digest"], "asked_because": dataset["asked_because"]})
            return str(run.info.run_id)

    def frozen(self, run_id: str) -> "pd.DataFrame":
        """Return the frozen rows of a run."""
        import pandas as pd

        with self._downloaded(f"runs:/{run_id}/{FROZEN_FILE}") as path:
            return pd.read_csv(
                path,
                parse_dates=["started_at", "learnt_at"],
                dtype={"conversation_id": str, "customer_group": str, "feature_digest": str, "arms": str},
                float_precision="round_trip",
                keep_default_na=False,
            )

    def dataset(self, run_id: str) -> dict[str, Any]:
        """Return what is known of the frozen rows of a run."""
        return self._document(run_id, DATASET_FILE)

    def log_training(
        self,
        run_id: str,
        model: "Pipeline",
        params: Mapping[str, Any],
        curve: Sequence[tuple[str, float]],
        example: "pd.DataFrame",
        labels: Sequence[str],
    ) -> None:
        """Keep the trained model with its parameters and what the search tried, in order."""
        import pandas as pd

        with self._mlflow("keep the trained model") as mlflow:
            from mlflow.models import infer_signature

            answers = pd.DataFrame(model.predict_proba(example), columns=list(labels))
            with mlflow.start_run(run_id=run_id):
                mlflow.log_params(dict(params))
                for step, (metric, value) in enumerate(curve):
                    mlflow.log_metric(f"search_{metric}", value, step=step)
                info = mlflow.sklearn.log_model(
                    model,
                    name="model",
                    serialization_format="skops",
                    skops_trusted_types=TRUSTED_TYPES,
                    signature=infer_signature(example, answers),
                    input_example=example,
                    pyfunc_predict_fn="predict_proba",
                    pip_requirements=_requirements(),
                )
                mlflow.set_tag("model_uri", info.model_uri)

    def model(self, run_id: str) -> "Pipeline":
        """Return the trained model of a run. Only listed types are loaded; nothing is ever unpickled."""
        import skops.io
        from skops.io.exceptions import UntrustedTypesFoundException

        with self._mlflow("read a run") as mlflow:
            uri = mlflow.get_run(run_id).data.tags.get("model_uri")
        if uri is None:
            raise RegistryError(f"run {run_id} holds no trained model; run the retraining again from its first task")
        with self._downloaded(uri) as folder:
            try:
                return skops.io.load(folder / MODEL_FILE, trusted=TRUSTED_TYPES)
            except UntrustedTypesFoundException as error:
                raise RegistryError(f"the model of run {run_id} was refused: {error}; it is not one of ours") from error

    def log_assessment(
        self,
        run_id: str,
        evidence: Mapping[str, Any],
        card: str,
        figures: Iterator[tuple[str, "Figure"]],
    ) -> None:
        """Keep the evidence, the card, the figures, and every metric with its interval."""
        with self._mlflow("keep the assessment") as mlflow, mlflow.start_run(run_id=run_id):
            mlflow.log_metrics(_flat_metrics(evidence))
            mlflow.log_dict(dict(evidence), EVIDENCE_FILE)
            mlflow.log_text(card, CARD_FILE)
            for name, figure in figures:
                mlflow.log_figure(figure, name)
            mlflow.set_tags({"gate": evidence["verdict"], "mlflow.note.content": card})

    def evidence(self, run_id: str) -> dict[str, Any]:
        """Return what the assessment of a run left."""
        return self._document(run_id, EVIDENCE_FILE)

    def register(self, run_id: str, task: Task, evidence: Mapping[str, Any], card: str) -> Registered:
        """Return the registered version of a run, made unless it exists."""
        name = model_name(task)
        with self._mlflow("register a version") as mlflow:
            client = mlflow.MlflowClient()
            found = client.search_model_versions(f"run_id='{run_id}'")
            if found:
                return Registered(name, int(found[0].version))
            uri = mlflow.get_run(run_id).data.tags["model_uri"]
            tags = {
                "dataset_digest": evidence["dataset"]["digest"],
                "code_revision": evidence["revision"] or "",
            }
            made = mlflow.register_model(uri, name, await_registration_for=0, tags=tags)
            client.update_model_version(name, made.version, description=card)
            return Registered(name, int(made.version))

    def mirror(self, champion: Registered, previous: Registered | None) -> None:
        """Let the aliases say what Postgres says."""
        with self._mlflow("set the aliases") as mlflow:
            client = mlflow.MlflowClient()
            held = client.get_registered_model(champion.model).aliases
            for alias, version in (("champion", champion), ("previous", previous)):
                if version and str(held.get(alias)) != str(version.number):
                    client.set_registered_model_alias(version.model, alias, str(version.number))
                    log.info("registry.mirrored model=%s alias=%s version=%d", version.model, alias, version.number)

    def mark(self, version: Registered, tags: Mapping[str, str]) -> None:
        with self._mlflow("tag a version") as mlflow:
            for name, value in tags.items():
                mlflow.MlflowClient().set_model_version_tag(version.model, str(version.number), name, value)

    def reach(self) -> None:
        """See that MLflow answers.

        Raises:
            RegistryError: if it does not.
        """
        with self._mlflow("answer") as mlflow:
            mlflow.search_experiments(max_results=1)

    def _document(self, run_id: str, name: str) -> dict[str, Any]:
        with self._downloaded(f"runs:/{run_id}/{name}") as path:
            return dict(json.loads(path.read_text(encoding="utf-8")))

    @contextmanager
    def _downloaded(self, uri: str) -> Iterator[Path]:
        with TemporaryDirectory() as folder:
            with self._mlflow(f"read {uri}") as mlflow:
                path = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder)
            yield Path(path)

    @contextmanager
    def _mlflow(self, what: str) -> Iterator[Any]:
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        import mlflow
        import mlflow.sklearn
        from mlflow.exceptions import MlflowException

        mlflow.set_tracking_uri(self.uri)
        logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)  # uv makes environments without pip
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Hint: Inferred schema contains integer")
                yield mlflow
        except (MlflowException, OSError) as error:
            reason = " ".join(str(error).split())[:300]
            raise RegistryError(
                f"MLflow at {self.uri} did not {what}: {reason}; see that it runs, then run this again"
            ) from error


def _requirements() -> list[str]:
    from ml_pipeline.models.provenance import libraries

    return [f"{name}=={number}" for name, number in libraries().items() if name != "mlflow"]


def _flat_metrics(evidence: Mapping[str, Any]) -> dict[str, float]:
    flat: dict[str, float] = {}
    for prefix, figures in (("", evidence["metrics"]), ("random_split_", evidence["random_split"]["metrics"])):
        for metric, figure in figures.items():
            flat[f"{prefix}{metric}"] = figure["value"]
            flat |= {f"{prefix}{metric}_{bound}": figure[bound] for bound in ("low", "high")}
    flat |= {f"gain_over_{_word(name)}": gain["value"] for name, gain in evidence["gains"].items()}
    return flat


def _word(name: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in name)
