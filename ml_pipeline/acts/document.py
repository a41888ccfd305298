"""A tagger as it is kept: one JSON document named by its SHA-256, never changed once it is made."""

import hashlib

import msgspec

from ml_pipeline.acts.rules import REVISION, Phrases, phrases
from ml_pipeline.errors import BundleError
from ml_pipeline.vocabulary.acts import Act
from ml_pipeline.vocabulary.estimate import Estimate

RULES_ONLY = f"rules-{REVISION}"
"""The tagger that is there without any training."""


class Figures(msgspec.Struct, frozen=True):
    """How an act was read in held-out conversations, by the head and by the rules alone; 95 % by conversation."""

    positives: int
    precision: Estimate
    recall: Estimate
    f1: Estimate
    rules_f1: Estimate


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """A linear model of some acts.

    ``languages``: per act, in which of them it had examples enough; the rules read the others.
    ``training_digest``: names the rows it learnt from. ``label_sources``: how many of them came from whom.
    ``bundle``: the lines of a model bundle whose labels are acts, of digest ``bundle_digest``.
    """

    name: str
    languages: dict[Act, list[str]]
    training_digest: str
    conversations: int
    label_sources: dict[str, int]
    quality: dict[Act, Figures]
    bundle_digest: str
    bundle: str


class TaggerDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a tagger reads by: the phrases of its release too, so that a later one does not change it."""

    format: int = 1
    version: str
    rules_revision: int
    phrases: dict[str, Phrases]
    heads: list[Head]


def rules_only() -> TaggerDocument:
    return TaggerDocument(version=RULES_ONLY, rules_revision=REVISION, phrases=dict(phrases()), heads=[])


def encode(document: TaggerDocument) -> tuple[str, bytes]:
    """Return the digest and the content of a document: equal documents, equal bytes."""
    content = msgspec.json.encode(document, order="deterministic")
    return hashlib.sha256(content).hexdigest(), content


def decode(content: bytes, digest: str) -> TaggerDocument:
    """Return the document in ``content``.

    Raises:
        BundleError: if the content is not the one named ``digest``, or no document this release can read.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise BundleError(f"tagger {digest[:12]} was altered: its content is {found[:12]}; train another one")
    try:
        return msgspec.json.decode(content, type=TaggerDocument)
    except msgspec.MsgspecError as error:
        raise BundleError(f"tagger {digest[:12]} cannot be read by this release: {error}; train another one") from error
