"""The file a trained model is kept in: skops, named by its SHA-256; only listed types are ever loaded."""

import hashlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from ml_pipeline.errors import ArtifactError

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

MODEL_FILE = "model.skops"
TRUSTED_TYPES = [
    "functools.partial",
    "ml_pipeline.models.heads.LabelHeads",
    "ml_pipeline.models.heads.TreeHeads",
    "ml_pipeline.models.known_words.KnownWords",
    "ml_pipeline.models.scaled_counts.ScaledCounts",
    "ml_pipeline.models.sentence_vectors.SentenceVectors",
    "ml_pipeline.models.text_terms.TextTerms",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
]
"""The only types beyond those that skops trusts that a model file may hold. Boosted trees check their categories by a
partial of ``check_array``; one of anything else is refused, for what it calls must be listed too."""
PICKLES = {".pkl", ".pickle", ".joblib", ".cloudpickle", ".dill"}


def file_digest(path: Path) -> str:
    """Return the SHA-256 of the file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def import_skops() -> Any:
    """Return ``skops.io``, imported without noise.

    It looks for every ufunc in every module there is, and Airflow's answer each with a warning: thousands.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import skops.io
    return skops.io


def load(folder: Path, digest: str, whose: str) -> "Pipeline":
    """Return the model kept in ``folder``, of which ``digest`` was noted when it was trained.

    Raises:
        ArtifactError: if the file is missing, is not the one noted, or holds anything but what we train. Nothing of it
            is run: what is no skops file is not opened, and a pickle is never read.
    """
    skops_io = import_skops()
    from skops.io.exceptions import UnsupportedTypeException, UntrustedTypesFoundException

    path = folder / MODEL_FILE
    if not path.is_file():
        raise ArtifactError(f"the model of {whose} was refused: it holds no {MODEL_FILE}; it is not one of ours")
    if pickled := sorted(each.name for each in folder.rglob("*") if each.suffix in PICKLES):
        raise ArtifactError(
            f"the model of {whose} was refused: {pickled[0]} lies beside it, and we never keep a pickle"
        )
    found = file_digest(path)
    if found != digest:
        raise ArtifactError(
            f"the model of {whose} was refused: its file is {found[:12]}, {digest[:12]} was noted at training; it was"
            " altered: find out by whom, then run the retraining again from its first task"
        )
    try:
        return skops_io.load(path, trusted=TRUSTED_TYPES)
    except (UntrustedTypesFoundException, UnsupportedTypeException, BadZipFile, KeyError, ValueError) as error:
        raise ArtifactError(
            f"the model of {whose} was refused: {' '.join(str(error).split())[:200]}; it is not one of ours"
        ) from error
