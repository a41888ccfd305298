"""How far an address reaches, once it has begun: names, numbers, doors and what links them."""

from ml_pipeline.online.redaction.letters import is_surely_letter
from ml_pipeline.online.redaction.number_words import Lexicon, read_number
from ml_pipeline.online.redaction.said import MARK, ORDINAL, WORD, Said, words
from ml_pipeline.online.redaction.street_words import (
    MAYBE_STREETS,
    PARTS,
    QUARTER_OPENINGS,
    QUARTERS,
    STREETS_AFTER,
    STREETS_BEFORE,
)
from ml_pipeline.online.redaction.vocabulary import COMMON, HESITATIONS

MOST_WORDS = 40
MOST_NAME_WORDS = 5
MOST_NUMBER_WORDS = 8

KINDS = STREETS_BEFORE | STREETS_AFTER | MAYBE_STREETS | QUARTERS
LINKS = words("de del la las los les el the of en in a , . - / through") | HESITATIONS
_PAIR_OPENERS = frozenset({"entre", "esquina", "between", "corner"})
FLOORS = words("primero segundo tercero cuarto quinto sexto septimo octavo noveno decimo")
_HALVES = (["y", "medio"], ["y", "media"])
_ABBREVIATED = PARTS | KINDS

Place = tuple[int, int]
"""The words of an address, first and end; equal where there is none."""
NOWHERE: Place = (0, 0)


def address_until(said: Said, start: int, known: Lexicon) -> int:
    """Return where an address ends that has reached word ``start``."""
    end = at = start
    may_pair = False
    while at < min(len(said.words), start + MOST_WORDS):
        word = said.words[at]
        may_pair = may_pair or word.plain in _PAIR_OPENERS
        if after := number_until(said, at, known):
            at = end = after
        elif word.plain in _ABBREVIATED or word.kind == ORDINAL or is_name(said, at, known) or _is_door(said, at, end):
            at += 1
            end = at if word.kind != MARK else end
        elif (at == end and word.plain in FLOORS) or (at < start + MOST_NAME_WORDS and _is_written_in_street(said, at)):
            at = end = at + 1
        elif word.plain in QUARTER_OPENINGS and at and said.plains[at - 1] in QUARTERS:
            at += 1
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
    if word not in LINKS or at - end >= 3:
        return False
    before = said.words[at - 1].plain if at else ""
    return word != "." or before in _ABBREVIATED or len(before) <= 2


def numbers_until(said: Said, at: int, known: Lexicon) -> int:
    """Return where the numbers end that follow one another from word ``at`` on."""
    end = at
    while end < min(len(said.words), at + MOST_NUMBER_WORDS) and (after := number_until(said, end, known)):
        end = after
    return end


def number_until(said: Said, at: int, known: Lexicon) -> int:
    """Return where the number ends that starts at word ``at``; 0 where none does."""
    if said.words[at].plain == "oh":
        return at + 1 if at and said.words[at - 1].plain in known.units else 0
    if tuple(word.plain for word in said.words[at : at + 3]) == ("s", "/", "n"):
        return at + 3  # "sin número"
    number = read_number(said.words, at, known)
    return number.end if number else 0


def is_name(said: Said, at: int, known: Lexicon) -> bool:
    word = said.words[at]
    return word.kind == WORD and len(word.plain) > 1 and word.plain not in COMMON and word.plain not in known.all_words
