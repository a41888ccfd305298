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
    MAYBE_STREETS,
    NAMELY_NUMBERED,
    NO_STREETS,
    PARTS,
    POSTAL_CODE_WORDS,
    POSTAL_CODES,
    QUARTERS,
    STREETS_AFTER,
    STREETS_BEFORE,
    SURE_STREETS,
)
from ml_pipeline.online.redaction.vocabulary import COMMON, HESITATIONS

MOST_WORDS = 40
MOST_WORDS_TO_NUMBER = 9
MOST_NAME_WORDS = 5
MOST_NUMBER_WORDS = 8
MOST_WORDS_TO_DELIVERY = 8
MOST_WORDS_TO_CODE = 5

_KINDS = STREETS_BEFORE | STREETS_AFTER | MAYBE_STREETS | QUARTERS
_LINKS = words("de del la las los les el the of en in a , . - / through") | HESITATIONS
MOST_WORDS_OF_PART = 6
_BEFORE_STREETS = words("apt apartment suite ste unit floor piso puerta portal departamento depto dpto apartamento ph")
_NAMED_STREETS = words("calle avenida privada cerrada callejon calzada bulevar")
"""A name behind one of these needs no number."""
_LOTS = words("manzana mz lote supermanzana box apartado")
_HALVES = (["y", "medio"], ["y", "media"])
_FLOORS = words("segundo tercero cuarto quinto sexto septimo octavo noveno decimo")
_PAIR_OPENERS = frozenset({"entre", "esquina", "between", "corner"})
_ABBREVIATED = PARTS | _KINDS
_LIVING_STARTERS = frozenset(first for first, _ in LIVING)
_STARTERS = _KINDS | _LOTS | POSTAL_CODE_WORDS | _LIVING_STARTERS | DIRECTIONS | {"codigo", "postal"}

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
            first = _with_part_before(said, first, done, known)
            yield said.span(max(first, done), end, ADDRESS)
            done = end


def _with_part_before(said: Said, first: int, done: int, known: Lexicon) -> int:
    """Take in what is told before the street: "unit nine at …", "PH-3, …", "séptimo izquierda de la calle …"."""
    for at in range(first - 1, max(done, first - MOST_WORDS_OF_PART) - 1, -1):
        word = said.words[at].plain
        if word in _BEFORE_STREETS or word in _FLOORS:
            return at
        if not (
            word in _LINKS
            or word in {"at", "on", "is", "es"}
            or word in PARTS
            or word in STREETS_BEFORE
            or _number_until(said, at, known)
        ):
            break
    return first


def _place_at(said: Said, at: int, known: Lexicon) -> Place:
    for find in _WAYS:
        first, end = find(said, at, known)
        if end > first:
            return first, end
    return NOWHERE


def _street_with_number(said: Said, at: int, known: Lexicon) -> Place:
    """Such as "calle Reforma número 12": across names, not across a sentence."""
    kind = said.words[at].plain
    if kind not in STREETS_BEFORE or not _is_meant_as_street(said, at):
        return NOWHERE
    if (
        kind in _NAMED_STREETS
        and (after := _extended(said, at + 1, known)) > at + 1
        and _is_name(said, after - 1, known)
    ):
        return at, after
    for place in range(at + 1, min(len(said.words), at + 1 + MOST_WORDS_TO_NUMBER)):
        if _number_until(said, place, known):
            return at, _extended(said, at + 1, known)
        word = said.words[place]
        is_written = said.has_capitals and said.is_capital(place)
        if word.plain in COMMON and not is_written and not _may_stand_in_street(said, place, known):
            break
        if word.kind == MARK and word.plain not in {",", ".", "#", "-", "/"}:
            break
    return NOWHERE


def _is_meant_as_street(said: Said, at: int) -> bool:
    """Of "cuesta" and "c" only as in "Cuesta de San Vicente" and "c/ Mayor"."""
    kind = said.words[at].plain
    if kind == "c":
        return said.plains[at + 1 : at + 2] in (["/"], ["."])
    return kind != "cuesta" or (said.has_capitals and said.is_capital(at))


def _may_stand_in_street(said: Said, at: int, known: Lexicon) -> bool:
    word = said.words[at].plain
    if word == "a":  # "carretera a Chapala", but not "la calle a las diez"
        return at + 1 < len(said.words) and _is_name(said, at + 1, known)
    return word in _LINKS or word in PARTS


def _lot(said: Said, at: int, known: Lexicon) -> Place:
    """Such as "manzana cuatro lote doce", "P.O. Box 4471"."""
    if said.words[at].plain not in _LOTS or at + 1 >= len(said.words) or not _number_until(said, at + 1, known):
        return NOWHERE
    first = at
    while first > 0 and said.words[first - 1].plain in {"p", "o", ".", "po"}:
        first -= 1
    return first, _extended(said, at + 1, known)


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
    word = said.words[at].plain
    is_direction = word in DIRECTIONS
    is_maybe = word in MAYBE_STREETS and (
        (said.has_capitals and said.is_capital(at)) or not DELIVERY.isdisjoint(said.vocabulary)
    )
    if word not in STREETS_AFTER and not is_direction and not is_maybe:
        return NOWHERE
    if is_direction and not (at + 1 < len(said.words) and _is_name(said, at + 1, known)):
        return NOWHERE
    first = at
    is_sure = said.words[at].plain in SURE_STREETS
    while first > max(0, at - MOST_NAME_WORDS) and _belongs_to_street(said, first - 1, known, is_sure=is_sure):
        first -= 1
    if first == at and not is_direction:
        return NOWHERE
    if not is_direction and _is_numbered_behind(said, at + 1, known):
        return first, _extended(said, at + 1, known)
    start = first
    while start > max(0, first - MOST_NUMBER_WORDS) and _is_of_number(said, start - 1, known):
        start -= 1
    while start < first and not _number_until(said, start, known):
        start += 1
    return (start, _extended(said, at + 1, known)) if start < first else NOWHERE


def _is_numbered_behind(said: Said, at: int, known: Lexicon) -> bool:
    """Whether "number eight hundred" follows."""
    return at + 1 < len(said.words) and said.plains[at] in NAMELY_NUMBERED and bool(_number_until(said, at + 1, known))


def _belongs_to_street(said: Said, at: int, known: Lexicon, *, is_sure: bool) -> bool:
    word = said.words[at]
    if is_surely_letter(said, at) or (is_sure and not said.has_capitals and _may_name_street(said, at, known)):
        return True
    is_common_in_capitals = said.has_capitals and word.kind == WORD and len(word.plain) > 2 and said.is_capital(at)
    return _is_name(said, at, known) or word.kind == ORDINAL or word.plain in PARTS or is_common_in_capitals


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
    _lot,
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
        elif at < start + MOST_NAME_WORDS and _is_written_in_street(said, at):
            at = end = at + 1
        elif at == end and said.plains[at : at + 2] in _HALVES:
            at = end = at + 2
        elif _is_link(said, at, end) or (may_pair and word.plain in {"y", "and"}):
            at += 1
        else:
            break
    return end


def _is_written_in_street(said: Said, at: int) -> bool:
    """Whether anybody says the word beside, but here it is written as a name: "Av. Universidad"."""
    if not said.has_capitals or said.words[at].kind != WORD or not said.is_capital(at):
        return False
    before = said.words[at - 1]
    return before.kind == WORD or (before.plain == "." and said.words[at - 2].plain in _ABBREVIATED)


def _is_door(said: Said, at: int, end: int) -> bool:
    """A letter that is no word beside, or any letter right behind a number or "apartment": "4 B", "piso 2 A"."""
    is_behind = at == end and said.words[at].is_letter and said.words[at - 1].plain in PARTS | {"º", "ª"}
    return is_surely_letter(said, at) or is_behind


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
