"""What a model is to the agent: weights and words in one JSON document, named by its SHA-256. No pickle, no numpy."""

import hashlib
from typing import Literal

import msgspec

from ml_pipeline.errors import BundleError
from ml_pipeline.online.features import FeatureRow


class TfidfBlock(msgspec.Struct, frozen=True, tag="tfidf"):
    """scikit-learn's TfidfVectorizer with l2 norm on one text column, its default token pattern, lower case."""

    column: str
    analyzer: Literal["word", "char_wb"]
    ngram_range: tuple[int, int]
    sublinear_tf: bool
    vocabulary: dict[str, int]
    idf: list[float]


class OneHotBlock(msgspec.Struct, frozen=True, tag="onehot"):
    """OneHotEncoder(handle_unknown="ignore") on one category column."""

    column: str
    categories: list[str]


class ScaledBlock(msgspec.Struct, frozen=True, tag="scaled"):
    """StandardScaler on number columns: (x - mean) / scale."""

    columns: list[str]
    mean: list[float]
    scale: list[float]


class Sigmoid(msgspec.Struct, frozen=True):
    """Platt's calibration of a score z: 1 / (1 + exp(a * z + b)); a = -1, b = 0 changes nothing."""

    a: float = -1.0
    b: float = 0.0


class Sample(msgspec.Struct, frozen=True):
    """A row and the answer the exported model must give to 1e-9 before it serves."""

    row: FeatureRow
    expected: dict[str, float]


class LinearBundle(msgspec.Struct, frozen=True, kw_only=True):
    """A linear model per label over the blocks' columns, concatenated in order.

    score = intercept + coefficients · columns; probability = sigmoid calibration of the score.
    """

    format: Literal[1] = 1
    kind: Literal["linear"] = "linear"
    task: str
    mode: str
    version: str
    feature_revision: int
    labels: list[str]
    thresholds: dict[str, float]
    blocks: list[TfidfBlock | OneHotBlock | ScaledBlock]
    coefficients: dict[str, list[float]]
    intercepts: dict[str, float]
    calibration: dict[str, Sigmoid]
    samples: list[Sample]


def encode(bundle: LinearBundle) -> tuple[str, bytes]:
    """Return the digest and the content of ``bundle``."""
    content = msgspec.json.encode(bundle, order="deterministic")
    return hashlib.sha256(content).hexdigest(), content


def decode(content: bytes, digest: str) -> LinearBundle:
    """Return the bundle in ``content``.

    Raises:
        BundleError: if the content is not the one named ``digest``, or no bundle this module can run.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise BundleError(f"bundle {digest[:12]} was altered: its content is {found[:12]}; fetch it again")
    try:
        return msgspec.json.decode(content, type=LinearBundle)
    except msgspec.MsgspecError as error:
        raise BundleError(f"bundle {digest[:12]} cannot be run by this version: {error}; upgrade the agent") from error
