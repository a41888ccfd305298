import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ml_pipeline.errors import ArtifactError, RegistryError
from ml_pipeline.models.names import model_name
from ml_pipeline.models.registry.connection import downloaded, mlflow_at
from ml_pipeline.models.registry.model_file import MODEL_FILE, TRUSTED_TYPES, file_digest, import_skops, load
from ml_pipeline.models.registry.version import Registered
from ml_pipeline.vocabulary.tasks import Task

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from sklearn.pipeline import Pipeline

FROZEN_FILE, DATASET_FILE, EVIDENCE_FILE = "frozen_rows.csv.gz", "dataset.json", "evidence.json"
CARD_FILE, SEARCH_FILE = "card.md", "search.csv"
DESCRIPTION_CHARACTERS = 5_000
"""MLflow's Postgres holds no more."""


class Registry:
    """The MLflow server at ``uri``. A run holds what one retraining of one task left behind."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def start(self, task: Task, frozen: "pd.DataFrame", dataset: Mapping[str, Any]) -> tuple[str, str]:
        """Open a run with its frozen rows and what is known of them; return its id, and the SHA-256 of the latter."""
        told = json.dumps(dict(dataset), indent=2)
        with mlflow_at(self.uri, "open a run") as mlflow:
            experiment = mlflow.get_experiment_by_name(model_name(task))
            experiment_id = experiment.experiment_id if experiment else mlflow.create_experiment(model_name(task))
            with mlflow.start_run(experiment_id=experiment_id) as run, TemporaryDirectory() as folder:
                path = Path(folder) / FROZEN_FILE
                frozen.to_csv(path, index=False)
                mlflow.log_artifact(str(path))
                # MLflow keeps 36 characters of a digest; the tag has all.
                rows = mlflow.data.from_pandas(frozen, name=model_name(task), digest=dataset["digest"][:32])
                asked = dataset["specification"]
                tags = {name: asked[name] for name in ("cut_off", "known_until")}
                tags["specification_digest"] = dataset["specification_digest"]
                mlflow.log_input(rows, context="training", tags=tags)
                mlflow.log_text(told, DATASET_FILE)
                mlflow.set_tags({"dataset_digest": dataset["digest"], "asked_because": dataset["asked_because"]})
            return str(run.info.run_id), _sha256(told)

    def frozen(self, run_id: str) -> "pd.DataFrame":
        """Return the frozen rows of a run."""
        import pandas as pd

        with downloaded(self.uri, f"runs:/{run_id}/{FROZEN_FILE}") as path:
            return pd.read_csv(
                path,
                parse_dates=["started_at", "learnt_at"],
                dtype={"conversation_id": str, "customer_group": str, "feature_digest": str, "arms": str},
                float_precision="round_trip",
                keep_default_na=False,
            )

    def dataset(self, run_id: str, digest: str) -> dict[str, Any]:
        """Return what is known of the frozen rows of a run, which has this SHA-256.

        Raises:
            ArtifactError: if it was altered since.
        """
        return self._document(run_id, DATASET_FILE, digest)

    def log_training(
        self,
        run_id: str,
        model: "Pipeline",
        params: Mapping[str, Any],
        rungs: "pd.DataFrame",
        example: "pd.DataFrame",
        labels: Sequence[str],
    ) -> str:
        """Keep the trained model with its parameters and what the search tried; return its file's SHA-256.

        It is that of the file as MLflow has it now: what is judged and published is this file or nothing.
        """
        with mlflow_at(self.uri, "keep the trained model") as mlflow, mlflow.start_run(run_id=run_id):
            mlflow.log_params(dict(params))
            mlflow.log_text(rungs.to_csv(index=False, float_format="%.6g"), SEARCH_FILE)
        return self._keep(run_id, "model", model, example, labels)

    def log_refit(self, run_id: str, model: "Pipeline", example: "pd.DataFrame", labels: Sequence[str]) -> str:
        """Keep the model that serves in the place of the one that was judged; return its file's SHA-256."""
        return self._keep(run_id, "refit", model, example, labels)

    def _keep(self, run_id: str, name: str, model: "Pipeline", example: "pd.DataFrame", labels: Sequence[str]) -> str:
        import pandas as pd

        import_skops()
        with mlflow_at(self.uri, "keep the trained model") as mlflow:
            from mlflow.models import infer_signature

            answers = pd.DataFrame(model.predict_proba(example), columns=list(labels))
            with mlflow.start_run(run_id=run_id):
                info = mlflow.sklearn.log_model(
                    model,
                    name=name,
                    serialization_format="skops",
                    skops_trusted_types=TRUSTED_TYPES,
                    signature=infer_signature(example, answers),
                    input_example=example,
                    pyfunc_predict_fn="predict_proba",
                    pip_requirements=_requirements(),
                )
                with downloaded(self.uri, info.model_uri) as folder:
                    digest = file_digest(folder / MODEL_FILE)
                mlflow.set_tags({f"{name}_uri": info.model_uri, f"{name}_sha256": digest})
        return digest

    def model(self, run_id: str, digest: str) -> "Pipeline":
        """Return the trained model of a run, whose file has this SHA-256.

        Raises:
            ArtifactError: if it is another file, or holds anything but what we train; nothing of it is run.
        """
        with mlflow_at(self.uri, "read a run") as mlflow:
            uri = _uri(mlflow.get_run(run_id).data.tags, digest)
        if uri is None:
            raise RegistryError(f"run {run_id} holds no trained model; run the retraining again from its first task")
        with downloaded(self.uri, uri) as folder:
            return load(folder, digest, f"run {run_id}")

    def log_assessment(
        self,
        run_id: str,
        evidence: Mapping[str, Any],
        card: str,
        figures: Iterator[tuple[str, "Figure"]],
    ) -> str:
        """Keep the evidence, the card, the figures, every metric with its interval; return the evidence's SHA-256."""
        told = json.dumps(dict(evidence), indent=2)
        with mlflow_at(self.uri, "keep the assessment") as mlflow, mlflow.start_run(run_id=run_id):
            mlflow.log_metrics(_flat_metrics(evidence))
            for point in evidence["learning_curve"]:
                name = f"learning_curve/{evidence['primary_metric']}"
                mlflow.log_metric(name, point["value"], step=point["conversations"])
            mlflow.log_text(told, EVIDENCE_FILE)
            mlflow.log_text(card, CARD_FILE)
            for name, figure in figures:
                mlflow.log_figure(figure, name)
            budget = {"gate_number": evidence["budget"]["number"], "gate_alpha": evidence["budget"]["alpha"]}
            mlflow.set_tags({"gate": evidence["verdict"], **budget, "mlflow.note.content": described(card)})
        return _sha256(told)

    def evidence(self, run_id: str, digest: str) -> dict[str, Any]:
        """Return what the assessment of a run left, which has this SHA-256.

        Raises:
            ArtifactError: if it was altered since.
        """
        return self._document(run_id, EVIDENCE_FILE, digest)

    def register(self, run_id: str, task: Task, evidence: Mapping[str, Any], card: str) -> Registered:
        """Return the registered version of a run, made unless it exists."""
        name = model_name(task)
        with mlflow_at(self.uri, "register a version") as mlflow:
            client = mlflow.MlflowClient()
            found = client.search_model_versions(f"run_id='{run_id}'")
            uri = _uri(mlflow.get_run(run_id).data.tags, evidence["model_sha256"])
            tags = {
                "dataset_digest": evidence["dataset"]["digest"],
                "code_revision": evidence["revision"] or "",
            }
            version = found[0] if found else mlflow.register_model(uri, name, await_registration_for=0, tags=tags)
            client.update_model_version(name, version.version, description=described(card))
            client.update_run(run_id, name=f"{name}/{version.version}")
            return Registered(name, int(version.version))

    def aliases(self, model: str) -> dict[str, int]:
        """Return what the aliases of a registered model name."""
        with mlflow_at(self.uri, f"tell the aliases of {model}") as mlflow:
            held = mlflow.MlflowClient().get_registered_model(model).aliases
        return {alias: int(number) for alias, number in held.items()}

    def point(self, model: str, alias: str, number: int | None) -> None:
        """Let an alias name this version; None: nobody."""
        with mlflow_at(self.uri, f"set the alias {alias} of {model}") as mlflow:
            client = mlflow.MlflowClient()
            if number is None:
                client.delete_registered_model_alias(model, alias)
            else:
                client.set_registered_model_alias(model, alias, str(number))

    def mark(self, version: Registered, tags: Mapping[str, str]) -> None:
        with mlflow_at(self.uri, "tag a version") as mlflow:
            for name, value in tags.items():
                mlflow.MlflowClient().set_model_version_tag(version.model, str(version.number), name, value)

    def reach(self) -> None:
        """See that MLflow answers.

        Raises:
            RegistryError: if it does not.
        """
        with mlflow_at(self.uri, "answer") as mlflow:
            mlflow.search_experiments(max_results=1)

    def _document(self, run_id: str, name: str, digest: str) -> dict[str, Any]:
        with downloaded(self.uri, f"runs:/{run_id}/{name}") as path:
            if file_digest(path) != digest:
                raise ArtifactError(
                    f"{name} of run {run_id} was refused: it was altered since it was written; find out by whom, then"
                    " run the retraining again from its first task"
                )
            return dict(json.loads(path.read_text(encoding="utf-8")))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def described(card: str) -> str:
    """Return as many lines of the card as a description holds, and where the others are."""
    if len(card) <= DESCRIPTION_CHARACTERS:
        return card
    rest = f"\n\nThe whole card: {CARD_FILE} among the artifacts of the run."
    return card[: card.rindex("\n", 0, DESCRIPTION_CHARACTERS - len(rest))] + rest


def _uri(tags: Mapping[str, str], digest: str) -> str | None:
    """Return where the model file of this SHA-256 is kept: the one that was judged, or what serves in its place."""
    return tags.get("refit_uri" if tags.get("refit_sha256") == digest else "model_uri")


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
    flat |= {f"threshold/{_word(label)}": threshold for label, threshold in evidence["thresholds"].items()}
    return flat | {f"slice/{_word(place['name'])}": place["ours"] for place in evidence["slices"]}


def _word(name: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in name)
