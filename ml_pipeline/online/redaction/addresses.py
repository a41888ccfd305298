"""Masks postal addresses: a street with its number, what belongs to it, and postal codes."""

from collections.abc import Callable, Iterator

from ml_pipeline.online.redaction.address_words import (
    FLOORS,
    KINDS,
    LINKS,
    MOST_NAME_WORDS,
    NOWHERE,
    Place,
    address_until,
    is_name,
    number_until,
    numbers_until,
)
from ml_pipeline.online.redaction.english_streets import number_with_street
from ml_pipeline.online.redaction.hint import ADDRESS, Hint
from ml_pipeline.online.redaction.number_words import Lexicon, lexicon
from ml_pipeline.online.redaction.quantities import MEASURES
from ml_pipeline.online.redaction.said import MARK, Said, Span, words
from ml_pipeline.online.redaction.street_words import (
    DELIVERY,
    DIRECTIONS,
    LIVING,
    PARTS,
    POSTAL_CODE_WORDS,
    POSTAL_CODES,
    QUARTER_OPENINGS,
    QUARTERS,
    STREETS_BEFORE,
)
from ml_pipeline.online.redaction.vocabulary import COMMON

MOST_WORDS_TO_NUMBER = 9
MOST_WORDS_TO_DELIVERY = 8
MOST_WORDS_TO_CODE = 5

MOST_WORDS_OF_PART = 6
_BEFORE_STREETS = words("apt apartment suite ste unit floor piso puerta portal departamento depto dpto apartamento ph")
_NAMED_STREETS = words("calle avenida privada cerrada callejon calzada bulevar")
"""A name behind one of these needs no number."""
_LOTS = words("manzana mz lote supermanzana box apartado")
_LIVING_STARTERS = frozenset(first for first, _ in LIVING)
_STARTERS = KINDS | _LOTS | POSTAL_CODE_WORDS | _LIVING_STARTERS | DIRECTIONS | {"codigo", "postal"}


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
        if word in _BEFORE_STREETS or word in FLOORS:
            return at
        if not (
            word in LINKS
            or word in {"at", "on", "is", "es"}
            or word in PARTS
            or word in STREETS_BEFORE
            or number_until(said, at, known)
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
        and (after := address_until(said, at + 1, known)) > at + 1
        and is_name(said, after - 1, known)
    ):
        return at, after
    for place in range(at + 1, min(len(said.words), at + 1 + MOST_WORDS_TO_NUMBER)):
        if number_until(said, place, known):
            return at, address_until(said, at + 1, known)
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
        return at + 1 < len(said.words) and is_name(said, at + 1, known)
    return word in LINKS or word in PARTS


def _lot(said: Said, at: int, known: Lexicon) -> Place:
    """Such as "manzana cuatro lote doce", "P.O. Box 4471"."""
    if said.words[at].plain not in _LOTS or at + 1 >= len(said.words) or not number_until(said, at + 1, known):
        return NOWHERE
    first = at
    while first > 0 and said.words[first - 1].plain in {"p", "o", ".", "po"}:
        first -= 1
    return first, address_until(said, at + 1, known)


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
    if place < len(said.words) and said.words[place].plain in QUARTER_OPENINGS:
        place = next((after for after in range(place + 1, place + 3) if not _is_of(said, after)), place)
    if place >= len(said.words) or not is_name(said, place, known):
        return NOWHERE
    return at, address_until(said, place, known)


def _is_of(said: Said, at: int) -> bool:
    return said.plains[at : at + 1] in (["de"], ["del"])


def _postal_code(said: Said, at: int, known: Lexicon) -> Place:
    """The number behind "código postal"; the words before it stay."""
    pair = tuple(word.plain for word in said.words[at : at + 2])
    if pair not in POSTAL_CODES and said.words[at].plain not in POSTAL_CODE_WORDS:
        return NOWHERE
    for start in range(at + 1, min(len(said.words), at + 1 + MOST_WORDS_TO_CODE)):
        end = numbers_until(said, start, known)
        if end > start:
            return start, end
    return NOWHERE


def _where_one_lives(said: Said, at: int, known: Lexicon) -> Place:
    """What follows "vivo en" or "my address is", where it holds a number or a street."""
    if tuple(word.plain for word in said.words[at : at + 2]) not in LIVING:
        return NOWHERE
    first, end = at + 2, address_until(said, at + 2, known)
    inside = range(first, end)
    is_place = any(number_until(said, place, known) or said.words[place].plain in KINDS for place in inside)
    has_name = any(is_name(said, place, known) for place in inside)
    return (first, end) if is_place and has_name else NOWHERE


def _named_number(said: Said, at: int, known: Lexicon) -> Place:
    """Where delivery is spoken of: "Insurgentes Sur 1602", "15 Gull Cove"."""
    number_end = numbers_until(said, at, known)
    near = said.words[max(0, at - MOST_WORDS_TO_DELIVERY) : at]
    if number_end == at or _is_single_digit(said, at, number_end, known) or all(w.plain not in DELIVERY for w in near):
        return NOWHERE
    first = at
    while first > max(0, at - MOST_NAME_WORDS) and (
        _is_street_name(said, first - 1, known) or (first < at and said.words[first - 1].plain in {"de", "la", "del"})
    ):
        first -= 1
    while first < at and said.words[first].plain in LINKS:
        first += 1
    if first < at and not (said.has_capitals and not any(said.is_capital(place) for place in range(first, at))):
        return first, address_until(said, number_end, known)
    is_followed = number_end < len(said.words) and _is_street_name(said, number_end, known)
    if is_followed and _is_written_as_name(said, number_end):
        return at, address_until(said, number_end, known)
    return NOWHERE


def _is_single_digit(said: Said, at: int, end: int, known: Lexicon) -> bool:
    return end == at + 1 and len(known.units.get(said.words[at].plain, said.words[at].plain)) == 1


def _is_street_name(said: Said, at: int, known: Lexicon) -> bool:
    return is_name(said, at, known) and said.words[at].plain not in MEASURES


def _is_written_as_name(said: Said, at: int) -> bool:
    return said.is_capital(at) or not said.has_capitals


_WAYS: tuple[Callable[[Said, int, Lexicon], Place], ...] = (
    _street_with_number,
    _quarter,
    _lot,
    number_with_street,
    _postal_code,
    _where_one_lives,
)
