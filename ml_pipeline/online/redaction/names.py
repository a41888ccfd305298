"""Masks names: the customer's own, those somebody introduces, and those that are written or borne as one."""

from collections.abc import Iterator
from functools import lru_cache

from ml_pipeline.online.redaction.borne_names import find_borne
from ml_pipeline.online.redaction.given_names import given_names, wordlike_names
from ml_pipeline.online.redaction.hint import NAME, Hint
from ml_pipeline.online.redaction.introductions import CLOSERS, INTRODUCERS, TITLES, Introduction, introduction_at
from ml_pipeline.online.redaction.letters import spelt_until
from ml_pipeline.online.redaction.name_words import (
    MOST_NAME_WORDS,
    MOST_SPELT_LETTERS,
    PARTICLES,
    SHORTEST_NAME,
    bare,
    is_further_name,
    is_long_word,
    is_surname,
    name_until,
)
from ml_pipeline.online.redaction.said import HELD, WORD, Said, Span, plain, read_words, words
from ml_pipeline.online.redaction.vocabulary import COMMON, NO_NAME_ENDINGS, PLACES

MOST_SPELT = 2
HELD_NAME = NAME.lower()

# What is said of oneself ends so far more often than a name that nobody has heard of does.
_TRAIT_ENDINGS = tuple(
    words(
        """
        ista dor dora ente ante ivo iva oso osa ado ada ido ida ble ario aria ologo ologa ico ica ense ano ana ero era
        al or ora il ndo ito ita
        """
    )
)
_NO_KIN_ENDINGS = (*NO_NAME_ENDINGS, "s", "aba", "ia")
"""Ends of what is said of somebody: "my husband snores", "mi hija trabajaba"."""


_MONTHS_BORNE = frozenset({"april", "may", "june", "august", "abril", "julio"})


def find_names(said: Said, hint: Hint) -> Iterator[Span]:
    yield from _find_known(said, _known_words(hint.names))
    yield from _find_introduced(said)
    yield from find_borne(said)


def find_names_again(said: Said, hint: Hint) -> Iterator[Span]:
    """Find what elsewhere in the message is masked as a name: "I'm not Rose. Rose's the one who ordered"."""
    if HELD_NAME not in said.vocabulary:
        return
    masked = {
        word
        for held in said.words
        if held.plain == HELD_NAME
        for word in _words_of_name(plain(said.text[held.start : held.end]))
    }
    again = {bare(word) for word in masked if len(word) > MOST_SPELT} - COMMON - PARTICLES
    for at, word in enumerate(said.words if again else ()):
        if word.kind == WORD and bare(word.plain) in again:
            yield said.span(at, at + 1, NAME)


def _words_of_name(name: str) -> list[str]:
    """The words of a name; one that is spelt counts whole: "k w i a" is "kwia" too."""
    parts = name.replace("-", " ").split()
    return [*parts, "".join(part for part in parts if len(part) == 1)]


def introduced_names(text: str) -> tuple[str, ...]:
    """Return the names by which somebody is introduced in ``text``, as written.

    >>> introduced_names("hola, me llamo ana lópez y quiero saber el precio")
    ('ana lópez',)
    """
    return tuple(text[span.start : span.end] for span in _find_introduced(read_words(text), only_certain=True))


def _find_known(said: Said, known: frozenset[str]) -> Iterator[Span]:
    """Find the customer's own names; those that are words too only where written or placed as a name."""
    for at, word in enumerate(said.words if known else ()):
        name = bare(word.plain)
        if name not in known or word.kind == HELD:
            continue
        is_word_too = name in COMMON or name in wordlike_names()
        beside = [said.words[place].plain in known for place in (at - 1, at + 1) if 0 <= place < len(said.words)]
        if not is_word_too or any(beside) or said.is_capital(at):
            yield said.span(at, at + 1, NAME)


@lru_cache(maxsize=1_024)
def _known_words(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(
        word.plain
        for name in names
        for word in read_words(name[:200]).words
        if word.kind == WORD and len(word.plain) >= SHORTEST_NAME and word.plain not in PARTICLES
    )


def _find_introduced(said: Said, *, only_certain: bool = False) -> Iterator[Span]:
    """Find names that somebody introduces. ``only_certain``: leave out what may be no name after all."""
    if INTRODUCERS.isdisjoint(said.vocabulary):
        return
    done = 0
    for at in [place for place, (word, *_) in enumerate(said.words) if word in INTRODUCERS]:
        if at < done:
            continue
        introduction = introduction_at(said, at)
        if introduction and (end := _introduced_until(said, introduction)) > introduction.start:
            done = end
            if not only_certain or introduction.is_sure or said.words[introduction.start].plain in given_names():
                is_titled = introduction.phrase in TITLES and not only_certain
                yield said.span(at if is_titled else introduction.start, end, NAME)
        elif said.words[at].plain == "speaking" and not only_certain and (first := _name_before(said, at, done)) < at:
            yield said.span(first, at, NAME)


def _introduced_until(said: Said, introduction: Introduction) -> int:
    """Return where the name ends that is introduced; its start where none is."""
    start = introduction.start
    if start >= len(said.words):
        return start
    if _is_sure_name(said, start) if introduction.is_sure else _is_likely_name(said, introduction):
        return name_until(said, start + 1, limit=MOST_NAME_WORDS)
    spelt = spelt_until(said, start, min(len(said.words), start + MOST_SPELT_LETTERS))
    return name_until(said, spelt, limit=1) if introduction.is_sure and spelt > start else start


def _is_sure_name(said: Said, at: int) -> bool:
    word = said.words[at]
    is_borne = word.plain in given_names() or word.plain in wordlike_names() or word.plain in _MONTHS_BORNE
    return is_long_word(said, at) and (is_borne or word.plain not in COMMON)


def _is_likely_name(said: Said, introduction: Introduction) -> bool:
    at = introduction.start
    word = said.words[at].plain
    if not is_long_word(said, at) or word in PLACES or (word in COMMON and word not in wordlike_names()):
        return False
    if word in given_names():
        return True
    if word in wordlike_names():
        is_told = introduction.tells_other or introduction.is_this
        return is_told or said.is_capital(at) or is_surname(said, at + 1)
    return _is_likely_unknown(said, introduction, word)


def _is_likely_unknown(said: Said, introduction: Introduction, word: str) -> bool:
    """Whether it is a name though none that is known as one."""
    at = introduction.start
    if introduction.tells_other:
        ends = _NO_KIN_ENDINGS if introduction.tells_kin else NO_NAME_ENDINGS
        return not said.has_capitals and not word.endswith(ends)
    if introduction.tells_self:
        return said.is_capital(at) or not word.endswith(_TRAIT_ENDINGS)
    is_closed = introduction.is_this and not CLOSERS.isdisjoint(said.plains[at + 1 : at + 4])
    return is_closed or (is_surname(said, at + 1) if not said.has_capitals else said.is_capital(at))


def _name_before(said: Said, at: int, done: int) -> int:
    """Such as "maria lopez speaking": at the start of what is said, or two words at most."""
    first = at
    while first > max(done, at - 3) and is_further_name(said, first - 1):
        first -= 1
    return first
