"""Names that many bear, in plain form: of the United States' census of 1990 (public domain), and our own additions."""

from functools import cache
from importlib.resources import files


@cache
def given_names() -> frozenset[str]:
    """Names that are hardly a word beside: proof wherever they stand."""
    return _read("given_names.txt")


@cache
def wordlike_names() -> frozenset[str]:
    """Given names that are words, places or months as well: proof only where written or introduced as a name."""
    return _read("given_names_that_are_words.txt")


@cache
def surnames() -> frozenset[str]:
    return _read("surnames.txt")


def _read(file: str) -> frozenset[str]:
    return frozenset((files("ml_pipeline.online.redaction") / file).read_text(encoding="utf-8").split())
