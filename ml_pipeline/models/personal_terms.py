"""Terms of a model's vocabulary that name or reach a person. A term is never told, only its kind."""

from collections import Counter
from collections.abc import Iterator

from sklearn.pipeline import Pipeline

from ml_pipeline.online.redaction import redact
from ml_pipeline.online.redaction.hint import ADDRESS, BIRTH_DATE, CARD, EMAIL, ID, NAME, NUMBER, PHONE
from ml_pipeline.online.redaction.introductions import TITLES

KINDS = (NAME, EMAIL, PHONE, CARD, ID, ADDRESS, BIRTH_DATE, NUMBER)
OF_PAIRS = (NAME, EMAIL, PHONE, CARD, ID)
"""What two neighbouring words can tell: a price ("12 500") or "calle luna" looks like a number or an address there."""


def personal_terms(model: Pipeline) -> dict[str, int]:
    """Return by kind how many terms of ``model`` redaction would mask: known words, terms, categories."""
    kinds = (_kind(term) for term in vocabulary(model))
    return dict(Counter(kind for kind in kinds if kind))


def vocabulary(model: Pipeline) -> set[str]:
    """Return every text that the model keeps, but for pieces of words: those are parts of known words."""
    words = model.named_steps.get("words")
    return {str(word) for word in getattr(words, "words_", ())} | set(_terms(model))


def _terms(model: Pipeline) -> Iterator[str]:
    for _, step, _ in model.named_steps["columns"].transformers_:
        if getattr(step, "analyzer", None) == "word":
            yield from map(str, step.vocabulary_)
        for categories in getattr(step, "categories_", ()):
            yield from map(str, categories)


def _kind(term: str) -> str:
    masked, kinds = redact(term), OF_PAIRS if " " in term else KINDS
    found = next((kind for kind in kinds if kind in masked and kind not in term), "")
    # After "tell" or "don" redaction takes any word for a name; a pair is one where both words are: "juan perez".
    is_cued = " " in term and (" " in masked or term.split(maxsplit=1)[0] in TITLES)
    return "" if found == NAME and is_cued else found.strip("<>").lower()
