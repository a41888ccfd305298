"""Masks postal addresses: a street with its number, what belongs to it, and postal codes."""

from collections.abc import Callable, Iterator

from ml_pipeline.online.redaction.hint import ADDRESS, Hint
from ml_pipeline.online.redaction.letters import is_surely_letter
from ml_pipeline.online.redaction.number_words import Lexicon, lexicon, read_number
from ml_pipeline.online.redaction.quantities import MEASURES
from ml_pipeline.online.redaction.said import DIGITS, MARK, ORDINAL, WORD, Said, Span, words
from ml_pipeline.online.redaction.street_words import (
    DELIVERY,
    DIRECTIONS,
    LIVING,
    PARTS,
    POSTAL_CODE_WORDS,
    POSTAL_CODES,
    QUARTERS,
    STREETS_AFTER,
    STREETS_BEFORE,
)
from ml_pipeline.online.redaction.vocabulary import COMMON, HESITATIONS

MOST_WORDS = 40
MOST_WORDS_TO_NUMBER = 9
MOST_NAME_WORDS = 5
MOST_NUMBER_WORDS = 8
MOST_WORDS_TO_DELIVERY = 8
MOST_WORDS_TO_CODE = 5

_KINDS = STREETS_BEFORE | STREETS_AFTER | QUARTERS
_LINKS = words("de del la las los el the of en in a , . - / through") | HESITATIONS
_PAIR_OPENERS = frozenset({"entre", "esquina", "between", "corner"})
_ABBREVIATED = PARTS | _KINDS
_LIVING_STARTERS = frozenset(first for first, _ in LIVING)
_STARTERS = _KINDS | POSTAL_CODE_WORDS | _LIVING_STARTERS | DIRECTIONS | {"codigo", "postal"}

Place = tuple[int, int]
"""The words of an address, first and end; equal where there is none."""
NOWHERE: Place = (0, 0)


def find_addresses(said: Said, hint: Hint) -> Iterator[Span]:
    is_delivery = hint.asked == "address" or not DELIVERY.isdisjoint(said.vocabulary)
    if not is_delivery and _STARTERS.isdisjoint(said.vocabulary):
        return
    known = lexicon(hint.language)
    starts = frozenset(known.starts(said)) if is_delivery else frozenset()
    done = 0
    for at, word in enumerate(said.words):
        if at < done or (word.plain not in _STARTERS and at not in starts):
            continue
        first, end = _place_at(said, at, known) if word.plain in _STARTERS else NOWHERE
        if first == end and at in starts:
            first, end = _named_number(said, at, known)
        if end > max(first, done):
            yield said.span(max(first, done), end, ADDRESS)
            done = end


def _place_at(said: Said, at: int, known: Lexicon) -> Place:
    for find in _WAYS:
        first, end = find(said, at, known)
        if end > first:
            return first, end
    return NOWHERE


def _street_with_number(said: Said, at: int, known: Lexicon) -> Place:
    """Such as "calle Reforma número 12": across names, not across a sentence."""
    if said.words[at].plain not in STREETS_BEFORE:
        return NOWHERE
    for place in range(at + 1, min(len(said.words), at + 1 + MOST_WORDS_TO_NUMBER)):
        if _number_until(said, place, known):
            return at, _extended(said, at + 1, known)
        word = said.words[place]
        if word.plain in COMMON and not _may_stand_in_street(said, place, known):
            break
        if word.kind == MARK and word.plain not in {",", ".", "#", "-", "/"}:
            break
    return NOWHERE


def _may_stand_in_street(said: Said, at: int, known: Lexicon) -> bool:
    word = said.words[at].plain
    if word == "a":  # "carretera a Chapala", but not "la calle a las diez"
        return at + 1 < len(said.words) and _is_name(said, at + 1, known)
    return word in _LINKS or word in PARTS


def _quarter(said: Said, at: int, known: Lexicon) -> Place:
    """Such as "colonia Roma Norte"."""
    if said.words[at].plain not in QUARTERS:
        return NOWHERE
    place = at + 1
    while place < len(said.words) and said.words[place].plain in {
        "la",
        "el",
        "los",
        "las",
        "de",
        "del",
        "es",
        ".",
        ",",
    }:
        place += 1
    return (at, _extended(said, at + 1, known)) if place < len(said.words) and _is_name(said, place, known) else NOWHERE


def _number_with_street(said: Said, at: int, known: Lexicon) -> Place:
    """Such as "one two three main street" and "2750 West Fargo"."""
    is_direction = said.words[at].plain in DIRECTIONS
    if said.words[at].plain not in STREETS_AFTER and not is_direction:
        return NOWHERE
    if is_direction and not (at + 1 < len(said.words) and _is_name(said, at + 1, known)):
        return NOWHERE
    first = at
    while first > max(0, at - MOST_NAME_WORDS) and _belongs_to_street(said, first - 1, known):
        first -= 1
    if first == at and not is_direction:
        return NOWHERE
    start = first
    while start > max(0, first - MOST_NUMBER_WORDS) and _is_of_number(said, start - 1, known):
        start -= 1
    while start < first and not _number_until(said, start, known):
        start += 1
    return (start, _extended(said, at + 1, known)) if start < first else NOWHERE


def _belongs_to_street(said: Said, at: int, known: Lexicon) -> bool:
    word = said.words[at]
    is_common_in_capitals = said.has_capitals and word.kind == WORD and len(word.plain) > 2 and said.is_capital(at)
    return _is_name(said, at, known) or word.kind == ORDINAL or word.plain in PARTS or is_common_in_capitals


def _is_of_number(said: Said, at: int, known: Lexicon) -> bool:
    word = said.words[at]
    return word.kind == DIGITS or word.plain in known.all_words or word.plain in {"oh", "and", "hundred", "y"}


def _postal_code(said: Said, at: int, known: Lexicon) -> Place:
    """The number behind "código postal"; the words before it stay."""
    pair = tuple(word.plain for word in said.words[at : at + 2])
    if pair not in POSTAL_CODES and said.words[at].plain not in POSTAL_CODE_WORDS:
        return NOWHERE
    for start in range(at + 1, min(len(said.words), at + 1 + MOST_WORDS_TO_CODE)):
        end = _numbers_until(said, start, known)
        if end > start:
            return start, end
    return NOWHERE


def _where_one_lives(said: Said, at: int, known: Lexicon) -> Place:
    """What follows "vivo en" or "my address is", where it holds a number or a street."""
    if tuple(word.plain for word in said.words[at : at + 2]) not in LIVING:
        return NOWHERE
    first, end = at + 2, _extended(said, at + 2, known)
    inside = range(first, end)
    is_place = any(_number_until(said, place, known) or said.words[place].plain in _KINDS for place in inside)
    has_name = any(_is_name(said, place, known) for place in inside)
    return (first, end) if is_place and has_name else NOWHERE


def _named_number(said: Said, at: int, known: Lexicon) -> Place:
    """Where delivery is spoken of: "Insurgentes Sur 1602", "15 Gull Cove"."""
    number_end = _numbers_until(said, at, known)
    near = said.words[max(0, at - MOST_WORDS_TO_DELIVERY) : at]
    if number_end == at or _is_single_digit(said, at, number_end, known) or all(w.plain not in DELIVERY for w in near):
        return NOWHERE
    first = at
    while first > max(0, at - MOST_NAME_WORDS) and (
        _is_street_name(said, first - 1, known) or (first < at and said.words[first - 1].plain in {"de", "la", "del"})
    ):
        first -= 1
    while first < at and said.words[first].plain in _LINKS:
        first += 1
    if first < at and not (said.has_capitals and not any(said.is_capital(place) for place in range(first, at))):
        return first, _extended(said, number_end, known)
    is_followed = number_end < len(said.words) and _is_street_name(said, number_end, known)
    if is_followed and _is_written_as_name(said, number_end):
        return at, _extended(said, number_end, known)
    return NOWHERE


def _is_single_digit(said: Said, at: int, end: int, known: Lexicon) -> bool:
    return end == at + 1 and len(known.units.get(said.words[at].plain, said.words[at].plain)) == 1


def _is_street_name(said: Said, at: int, known: Lexicon) -> bool:
    return _is_name(said, at, known) and said.words[at].plain not in MEASURES


def _is_written_as_name(said: Said, at: int) -> bool:
    return said.is_capital(at) or not said.has_capitals


_WAYS: tuple[Callable[[Said, int, Lexicon], Place], ...] = (
    _street_with_number,
    _quarter,
    _number_with_street,
    _postal_code,
    _where_one_lives,
)


def _extended(said: Said, start: int, known: Lexicon) -> int:
    """Return where an address ends that has reached word ``start``."""
    end = at = start
    may_pair = False
    while at < min(len(said.words), start + MOST_WORDS):
        word = said.words[at]
        may_pair = may_pair or word.plain in _PAIR_OPENERS
        if after := _number_until(said, at, known):
            at = end = after
        elif word.plain in _ABBREVIATED or word.kind == ORDINAL or _is_name(said, at, known) or _is_door(said, at, end):
            at += 1
            end = at if word.kind != MARK else end
        elif _is_link(said, at, end) or (may_pair and word.plain in {"y", "and"}):
            at += 1
        else:
            break
    return end


def _is_door(said: Said, at: int, end: int) -> bool:
    """A letter that is no word beside, or any letter right behind a number or "apartment": "4 B", "piso 2 A"."""
    return is_surely_letter(said, at) or (at == end and said.words[at].is_letter and said.words[at - 1].plain in PARTS)


def _is_link(said: Said, at: int, end: int) -> bool:
    """A full stop ends the sentence but for one that abbreviates: "Av. Juárez", "St., Apt. 4"."""
    word = said.words[at].plain
    if word not in _LINKS or at - end >= 3:
        return False
    before = said.words[at - 1].plain if at else ""
    return word != "." or before in _ABBREVIATED or len(before) <= 2


def _numbers_until(said: Said, at: int, known: Lexicon) -> int:
    """Return where the numbers end that follow one another from word ``at`` on."""
    end = at
    while end < min(len(said.words), at + MOST_NUMBER_WORDS) and (after := _number_until(said, end, known)):
        end = after
    return end


def _number_until(said: Said, at: int, known: Lexicon) -> int:
    """Return where the number ends that starts at word ``at``; 0 where none does."""
    if said.words[at].plain == "oh":
        return at + 1 if at and said.words[at - 1].plain in known.units else 0
    if tuple(word.plain for word in said.words[at : at + 3]) == ("s", "/", "n"):
        return at + 3  # "sin número"
    number = read_number(said.words, at, known)
    return number.end if number else 0


def _is_name(said: Said, at: int, known: Lexicon) -> bool:
    word = said.words[at]
    return word.kind == WORD and len(word.plain) > 1 and word.plain not in COMMON and word.plain not in known.all_words
