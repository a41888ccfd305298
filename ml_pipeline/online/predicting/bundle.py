"""What a model is to the agent: JSON lines named by their SHA-256. No pickle, no numpy.

The first line says what the model is, the others carry what is long, in parts that decode in a millisecond: a decoder
at work holds the interpreter, and with it the agent's event loop.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import msgspec

from ml_pipeline.errors import BundleError
from ml_pipeline.online.predicting.features import FeatureRow


class TfidfBlock(msgspec.Struct, frozen=True, tag="tfidf"):
    """scikit-learn's TfidfVectorizer on the known words of one text column, lower case; terms come in parts.

    Its rows have length 1, or, where not ``is_normed``, grow with what was said.
    """

    column: str
    analyzer: Literal["word", "char_wb"]
    ngram_range: tuple[int, int]
    sublinear_tf: bool
    is_normed: bool = True


class OneHotBlock(msgspec.Struct, frozen=True, tag="onehot"):
    """OneHotEncoder(handle_unknown="ignore") on one category column."""

    column: str
    categories: list[str]


class ScaledBlock(msgspec.Struct, frozen=True, tag="scaled"):
    """StandardScaler on number columns: (x - mean) / scale; of log(1 + x), x at least 0, where ``of_logs``."""

    columns: list[str]
    mean: list[float]
    scale: list[float]
    of_logs: bool = False


class SentenceBlock(msgspec.Struct, frozen=True, tag="sentence"):
    """The sentence vector of the known words of one text column, see ``sentences``; one column per dimension."""

    column: str
    encoder: str


class NumberInput(msgspec.Struct, frozen=True, tag="number"):
    """(x - mean) / scale of a number column; missing where the row has none."""

    column: str
    mean: float = 0.0
    scale: float = 1.0


class CategoryInput(msgspec.Struct, frozen=True, tag="category"):
    """The number of a category; ``other``, or missing, for those not seen in training."""

    column: str
    numbers: dict[str, float]
    other: float | None = None


class Sigmoid(msgspec.Struct, frozen=True):
    """Platt's calibration of a score z: 1 / (1 + exp(a * z + b)); a = -1, b = 0 changes nothing."""

    a: float = -1.0
    b: float = 0.0


class Sample(msgspec.Struct, frozen=True):
    """A row and the answer the exported model must give to 1e-9 before it serves."""

    row: FeatureRow
    expected: dict[str, float]


class _Model(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    format: Literal[2] = 2
    task: str
    mode: str
    version: str
    feature_revision: int
    labels: list[str]
    thresholds: dict[str, float]
    intercepts: dict[str, float]
    calibration: dict[str, Sigmoid]
    samples: list[Sample]


class LinearBundle(_Model, frozen=True, kw_only=True, tag="linear"):
    """A linear model per label over the blocks' columns: score = intercept + coefficients · columns.

    ``coefficients``: per label, for the columns of all blocks but the text blocks, in order.
    """

    blocks: list[TfidfBlock | OneHotBlock | ScaledBlock | SentenceBlock]
    coefficients: dict[str, list[float]]


class TreeBundle(_Model, frozen=True, kw_only=True, tag="trees"):
    """Boosted trees per label: score = intercept + the leaf of each tree.

    ``inputs``: what nodes look at, by place.
    """

    inputs: list[NumberInput | CategoryInput]


class Words(msgspec.Struct, frozen=True, tag="words"):
    """Words that text blocks see; every other word is hidden from them."""

    words: list[str]


class Terms(msgspec.Struct, frozen=True, tag="terms"):
    """Terms of the text block at place ``block``; ``weights``: labels x terms."""

    block: int
    terms: list[str]
    idf: list[float]
    weights: list[list[float]]


class Tree(msgspec.Struct, frozen=True):
    """A tree as flat arrays, one entry per node; the first is the root.

    At a node with ``left`` 0 (a leaf) ``value`` is what it adds. Elsewhere ``value`` is the largest input that goes
    left, or, for a node in ``category_nodes``, the categories of the same place in ``categories`` go left; a missing
    input goes left where ``missing_left`` says so.
    """

    inputs: list[int]
    value: list[float]
    left: list[int]
    right: list[int]
    missing_left: list[bool]
    category_nodes: list[int]
    categories: list[list[int]]


class Trees(msgspec.Struct, frozen=True, tag="trees"):
    label: str
    trees: list[Tree]


Model = LinearBundle | TreeBundle
Part = Words | Terms | Trees

_encoder = msgspec.json.Encoder(order="deterministic")
_models: msgspec.json.Decoder[Model] = msgspec.json.Decoder(Model)
_parts: msgspec.json.Decoder[Part] = msgspec.json.Decoder(Part)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A stored bundle; its parts are decoded as they are taken."""

    digest: str
    content: bytes
    model: Model

    def parts(self) -> Iterator[Part]:
        """Yield what the model is made of.

        Raises:
            BundleError: if a part is none this release can run.
        """
        for line in islice(_lines(self.content), 1, None):
            with _readable(self.digest):
                yield _parts.decode(line)


def encode(model: Model, parts: Iterable[Part] = ()) -> tuple[str, bytes]:
    """Return the digest and the content of a bundle."""
    content = b"\n".join(map(_encoder.encode, [model, *parts]))
    return hashlib.sha256(content).hexdigest(), content


def decode(content: bytes, digest: str) -> Bundle:
    """Return the bundle in ``content``.

    Raises:
        BundleError: if the content is not the one named ``digest``, or no bundle this release can run.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise BundleError(f"bundle {digest[:12]} was altered: its content is {found[:12]}; fetch it again")
    with _readable(digest):
        return Bundle(digest, content, _models.decode(next(_lines(content))))


def _lines(content: bytes) -> Iterator[memoryview]:
    """Yield each line without a copy: splitting several megabytes takes as long as decoding a part."""
    view, start = memoryview(content), 0
    while (end := content.find(b"\n", start)) >= 0:
        yield view[start:end]
        start = end + 1
    yield view[start:]


@contextmanager
def _readable(digest: str) -> Iterator[None]:
    try:
        yield
    except msgspec.MsgspecError as error:
        raise BundleError(
            f"bundle {digest[:12]} cannot be run by this release: {error}; agent and jobs must be of one release"
        ) from error
