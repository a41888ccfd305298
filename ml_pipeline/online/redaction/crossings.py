"""Masks where two streets meet: "corner of maple and fifth", "esquina de allende con bravo", "alder and sixteenth"."""

from collections.abc import Iterator

from ml_pipeline.online.redaction.hint import ADDRESS, Hint
from ml_pipeline.online.redaction.number_words import Lexicon, lexicon, read_number
from ml_pipeline.online.redaction.said import ORDINAL, WORD, Said, Span, words
from ml_pipeline.online.redaction.street_words import DIRECTIONS, ORDINALS, STREETS_AFTER, STREETS_BEFORE
from ml_pipeline.online.redaction.vocabulary import COMMON

MOST_NAME_WORDS = 4
MOST_LINKS = 3

_OPENERS = words("esquina cruce corner intersection between entre cruza crosses")
_LINKS = words("de of con y la el the los las calle calles avenida streets where")
_JOINERS = words("and y con con & at meets esquina e cruza crosses")
_INSIDE = words("de del la las los") | DIRECTIONS
_KINDS = STREETS_BEFORE | STREETS_AFTER
_ANDS = frozenset({"and", "y", "&"})
_STARTERS = _OPENERS | _ANDS


def find_crossings(said: Said, hint: Hint) -> Iterator[Span]:
    if _STARTERS.isdisjoint(said.vocabulary):
        return
    known = lexicon(hint.language)
    for at in [place for place, word in enumerate(said.plains) if word in _STARTERS]:
        if said.plains[at] in _OPENERS:
            yield from _behind_opener(said, at, known)
        elif _is_numbered(said, at + 1) and at and _is_name(said, at - 1, known):
            yield said.span(at - 1, at + 2, ADDRESS)


def _behind_opener(said: Said, at: int, known: Lexicon) -> Iterator[Span]:
    """Find the two names behind "corner of"; the one where no second follows but for a mere "between"."""
    start = _skip_links(said, at + 1)
    end = _name_until(said, start, known)
    if end == start:
        return
    if end < len(said.words) and said.words[end].plain in _JOINERS:
        second = _skip_links(said, end + 1)
        after = _name_until(said, second, known)
        if after > second:
            yield said.span(start, after, ADDRESS)
            return
    before = at - 1 - (at > 1 and said.words[at - 1].plain == "casi")
    if said.words[at].plain == "esquina" and before >= 0 and _is_name(said, before, known):
        yield said.span(before, end, ADDRESS)
    if said.words[at].plain in {"esquina", "corner"} and start > at + 1:
        yield said.span(start, end, ADDRESS)


def _skip_links(said: Said, at: int) -> int:
    end = min(len(said.words), at + MOST_LINKS)
    while at < end and said.words[at].plain in _LINKS:
        at += 1
    return at


def _name_until(said: Said, at: int, known: Lexicon) -> int:
    """Return where the name of a street ends that starts at word ``at``; ``at`` where none does."""
    end = at
    while at < min(len(said.words), end + MOST_NAME_WORDS):
        if _is_numbered(said, at) or _is_name(said, at, known):
            at += 1
            end = at
        elif (
            number := read_number(said.words, at, known)
            if end == at and said.plains[at + 1 : at + 2] == ["de"]
            else None
        ):
            at = end = number.end
        elif said.words[at].plain in _KINDS and at > 0:
            at += 1
            end = at
        elif said.words[at].plain in _INSIDE:
            at += 1
        else:
            break
    return end


def _is_numbered(said: Said, at: int) -> bool:
    return at < len(said.words) and (said.words[at].kind == ORDINAL or said.words[at].plain in ORDINALS)


def _is_name(said: Said, at: int, known: Lexicon) -> bool:
    word = said.words[at]
    if word.kind != WORD or len(word.plain) < 3 or word.plain in known.all_words:
        return False
    return word.plain not in COMMON
