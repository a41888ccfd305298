"""Which words a model may see: those of its frozen list. Training and agent hide the others by this one function."""

import re
from collections.abc import Container
from functools import lru_cache

_WORD = re.compile(r"\w+")
_TEXTS_AT_HAND = 16  # what one call reads, for the several models that read it


def hide_unknown(text: str, known: Container[str]) -> str:
    """Return ``text`` in lower case without the words that are not in ``known``.

    >>> hide_unknown("Soy Maria-Jose, ¿cuánto?", {"soy", "cuánto", "jose"})
    'soy -jose, ¿cuánto?'
    """
    return _WORD.sub(lambda word: word[0] if word[0] in known else "", text.lower())


@lru_cache(_TEXTS_AT_HAND)
def words_of(text: str) -> tuple[str, ...]:
    """Return the words of ``text`` in lower case, in order."""
    return tuple(_WORD.findall(text.lower()))


@lru_cache(_TEXTS_AT_HAND)
def chunks_of(text: str) -> tuple[str, ...]:
    """Return what white space parts in ``text``, in lower case."""
    return tuple(text.lower().split())
