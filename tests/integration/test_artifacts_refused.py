"""What is not what was put there is refused, run by nobody, recorded, and alerted."""

import gzip
import json
import pickle
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import skops.io

from ml_pipeline.errors import ArtifactError, BundleError, PipelineError
from ml_pipeline.jobs import retrain_models as job
from ml_pipeline.jobs import roll_up_metrics
from ml_pipeline.models.registry.model_file import file_digest, load
from tests.integration.policy import execute
from tests.integration.retraining import TASK, client, learn, rows, states

RAN = "ran"


class Bomb:
    """Leaves a file where it is unpickled."""

    def __init__(self, where: Path) -> None:
        self.where = where

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.where,)


def refusals(database) -> list[str]:
    return [row["reason"] for row in rows(database, "SELECT reason FROM decisions WHERE kind = 'artifact'")]


def model_folder(ticket: Any) -> Path:
    """Where MLflow keeps the model file of a run."""
    uri = client().get_run(ticket["run_id"]).data.tags["model_uri"]
    location = client().get_logged_model(uri.removeprefix("models:/")).artifact_location
    return Path(location.removeprefix("file://"))


def run_folder(ticket: Any) -> Path:
    return Path(client().get_run(ticket["run_id"]).info.artifact_uri.removeprefix("file://"))


def alter(folder: Path) -> None:
    content = bytearray((folder / "model.skops").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.skops").write_bytes(bytes(content))


def exchange(folder: Path) -> None:
    """Another honest model, of scikit-learn alone."""
    from sklearn.linear_model import LogisticRegression

    skops.io.dump(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), folder / "model.skops")


def hide_a_foreign_type(folder: Path) -> None:
    from sklearn.preprocessing import FunctionTransformer

    skops.io.dump(FunctionTransformer(func=shutil.rmtree), folder / "model.skops")


def pickle_in_its_place(folder: Path) -> None:
    (folder / "model.skops").write_bytes(pickle.dumps(Bomb(folder.parent / RAN)))


def pickle_instead(folder: Path) -> None:
    """As MLflow's sklearn flavour keeps a model where it is not told otherwise."""
    (folder / "model.skops").unlink()
    (folder / "model.pkl").write_bytes(pickle.dumps(Bomb(folder.parent / RAN)))
    described = (folder / "MLmodel").read_text()
    (folder / "MLmodel").write_text(described.replace("model.skops", "model.pkl").replace("skops", "cloudpickle"))


def pickle_beside(folder: Path) -> None:
    (folder / "model.pkl").write_bytes(pickle.dumps(Bomb(folder.parent / RAN)))


def other_flavour(folder: Path) -> None:
    """A model of another kind, as somebody would log one that is code."""
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: evil\n    code: code\n")
    (folder / "code").mkdir()
    (folder / "code" / "evil.py").write_text(f"open({str(folder.parent / RAN)!r}, 'w')")


DAMAGE: dict[Callable[[Path], None], str] = {
    alter: "was noted at training; it was altered",
    exchange: "was noted at training; it was altered",
    hide_a_foreign_type: "was noted at training; it was altered",
    pickle_in_its_place: "was noted at training; it was altered",
    pickle_instead: "holds no model.skops",
    pickle_beside: "model.pkl lies beside it, and we never keep a pickle",
    other_flavour: "holds no model.skops",
}


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_a_model_file_that_is_not_the_one_trained_is_refused_and_recorded(database, judged, damage):
    folder = model_folder(judged)
    damage(folder)

    with pytest.raises(ArtifactError, match=DAMAGE[damage]):
        job.publish(judged)

    (reason,) = refusals(database)
    assert DAMAGE[damage] in reason
    assert states(database) == []
    assert not list(folder.parent.rglob(RAN))


@pytest.mark.parametrize("damage", [hide_a_foreign_type, pickle_in_its_place], ids=lambda damage: damage.__name__)
def test_even_under_its_own_digest_nothing_but_listed_types_is_loaded(tmp_path, damage):
    folder = tmp_path / "model"
    folder.mkdir()
    damage(folder)

    with pytest.raises(ArtifactError, match="it is not one of ours"):
        load(folder, file_digest(folder / "model.skops"), "run 1")

    assert not (tmp_path / RAN).exists()


def poisoned_labels(folder: Path) -> None:
    path = folder / "frozen_rows.csv.gz"
    told = gzip.decompress(path.read_bytes()).decode()
    assert ",1,0\n" in told
    path.write_bytes(gzip.compress(told.replace(",1,0\n", ",0,1\n").encode()))


def other_recipe(folder: Path) -> None:
    """What would let a barred version through under another name."""
    path = folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"recipe_digest": "another"}))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (poisoned_labels, "the frozen rows of run .* were altered"),
        (other_recipe, r"dataset\.json of run .* was refused"),
    ],
)
def test_altered_rows_and_what_is_told_of_them_are_refused_and_recorded(database, mlflow_uri, damage, said):
    (ticket,) = job.collect(TASK)
    damage(run_folder(ticket))

    with pytest.raises(ArtifactError, match=said):
        job.train(ticket)

    assert len(refusals(database)) == 1


def test_altered_evidence_is_refused_and_recorded(database, judged):
    path = run_folder(judged) / "evidence.json"
    path.write_text(path.read_text().replace('"verdict": "', '"verdict": "x'))

    with pytest.raises(ArtifactError, match=r"evidence\.json of run .* was refused"):
        job.publish(judged)

    assert len(refusals(database)) == 1
    assert states(database) == []


def test_a_champion_whose_bundle_was_altered_in_postgres_judges_nobody_and_that_is_recorded(database, champion):
    learn(database, range(120, 160))
    with psycopg2.connect(database.owner_dsn) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE model_bundles SET content = content || ' '::bytea")

    with pytest.raises(BundleError, match="was altered"):
        job.run(TASK)

    (reason,) = refusals(database)
    assert "was altered" in reason
    assert states(database) == [(champion, "champion")]


def test_a_refusal_opens_an_alert(database, judged):
    pickle_beside(model_folder(judged))
    with pytest.raises(PipelineError):
        job.publish(judged)

    roll_up_metrics.judge_alerts(datetime.now(UTC) + timedelta(hours=1))

    (alert,) = rows(database, "SELECT severity, headline FROM alerts WHERE rule = 'artifact_refused'")
    assert alert["severity"] == "critical"
    assert execute(database, "SELECT count(*) FROM alerts WHERE rule = 'alias_moved'") == 0
