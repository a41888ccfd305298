"""Streets whose kind stands behind the name, as in English: "one two three main street", "2750 West Fargo"."""

from ml_pipeline.online.redaction.address_words import (
    MOST_NAME_WORDS,
    MOST_NUMBER_WORDS,
    NOWHERE,
    Place,
    address_until,
    is_name,
    number_until,
)
from ml_pipeline.online.redaction.letters import is_surely_letter
from ml_pipeline.online.redaction.number_words import Lexicon
from ml_pipeline.online.redaction.said import DIGITS, ORDINAL, WORD, Said
from ml_pipeline.online.redaction.street_words import (
    DELIVERY,
    DIRECTIONS,
    MAYBE_STREETS,
    NAMELY_NUMBERED,
    NO_STREETS,
    PARTS,
    STREETS_AFTER,
    SURE_STREETS,
)
from ml_pipeline.online.redaction.vocabulary import HESITATIONS

_BEFORE_NAMES = frozenset({"on", "off"})
"""Behind one of these the name of a street needs no number."""


def number_with_street(said: Said, at: int, known: Lexicon) -> Place:
    """Such as "one two three main street" and "2750 West Fargo"."""
    word = said.words[at].plain
    is_direction = word in DIRECTIONS
    is_maybe = word in MAYBE_STREETS and (
        (said.has_capitals and said.is_capital(at)) or not DELIVERY.isdisjoint(said.vocabulary)
    )
    if word not in STREETS_AFTER and not is_direction and not is_maybe:
        return NOWHERE
    if is_direction and not (at + 1 < len(said.words) and is_name(said, at + 1, known)):
        return NOWHERE
    first = at
    is_sure = said.words[at].plain in SURE_STREETS
    while first > max(0, at - MOST_NAME_WORDS) and _belongs_to_street(said, first - 1, known, is_sure=is_sure):
        first -= 1
    if first == at and not is_direction:
        return NOWHERE
    if not is_direction and _is_numbered_behind(said, at + 1, known):
        return first, address_until(said, at + 1, known)
    start = first
    while start > max(0, first - MOST_NUMBER_WORDS) and _is_of_number(said, start - 1, known):
        start -= 1
    while start < first and not number_until(said, start, known):
        start += 1
    is_told = start < first or (is_sure and first > 0 and said.plains[first - 1] in _BEFORE_NAMES)
    return (start, address_until(said, at + 1, known)) if is_told else NOWHERE


def _is_numbered_behind(said: Said, at: int, known: Lexicon) -> bool:
    """Whether "number eight hundred" follows."""
    return at + 1 < len(said.words) and said.plains[at] in NAMELY_NUMBERED and bool(number_until(said, at + 1, known))


def _belongs_to_street(said: Said, at: int, known: Lexicon, *, is_sure: bool) -> bool:
    word = said.words[at]
    if is_surely_letter(said, at) or (is_sure and not said.has_capitals and _may_name_street(said, at, known)):
        return True
    is_common_in_capitals = said.has_capitals and word.kind == WORD and len(word.plain) > 2 and said.is_capital(at)
    return is_name(said, at, known) or word.kind == ORDINAL or word.plain in PARTS or is_common_in_capitals


def _may_name_street(said: Said, at: int, known: Lexicon) -> bool:
    word = said.words[at]
    return (
        word.kind == WORD
        and word.plain not in NO_STREETS
        and word.plain not in known.all_words
        and word.plain not in HESITATIONS
    )


def _is_of_number(said: Said, at: int, known: Lexicon) -> bool:
    word = said.words[at]
    return word.kind == DIGITS or word.plain in known.all_words or word.plain in {"oh", "and", "hundred", "y"}
