"""Masks dates of birth: what follows "born", "nací" and their like, and full dates too old to be anything else."""

from collections.abc import Iterator
from itertools import pairwise

from ml_pipeline.online.redaction.hint import BIRTH_DATE, Hint
from ml_pipeline.online.redaction.introductions import KIN
from ml_pipeline.online.redaction.number_words import Lexicon, lexicon, read_number
from ml_pipeline.online.redaction.said import AMOUNT, DATE, ORDINAL, Said, Span, words
from ml_pipeline.online.redaction.vocabulary import HESITATIONS

MOST_WORDS_TO_DATE = 14
MOST_WORDS_BEHIND_DATE = 3
OLDEST_YEAR, YOUNGEST_YEAR = 1915, 2010
"""A full date between these is a birth date: nothing else that is told to an agent lies so far back."""
EARLIEST_SHORT_YEAR = 40
"""Of a year told by two digits; up to here it may be one of these years."""

_SURE_CUES = words(
    """
    born birth birthday birthday's birthdays birthdate dob bday bday's naci nacio naciste nacimos nacieron nacimiento
    nacida nacido nacidos cumplo cumpleanos mundo baby leap quinta
    """
)
"""Near one of these any date, whole or in pieces, is one of birth."""
_CUES = _SURE_CUES | words(
    """
    turn turns turned turning cumple cumpli cumplio cumplire cumplira
    """
)
_CHILDREN = words(
    """
    kid kids son daughter twins boy girl hijo hija hijos nino nina ninos gemelos gemelas cuates cuatas bebe nene nena
    peque chico chica nieto nieta sobrino sobrina oldest youngest
    """
)
YOUNGEST_CHILD = 2019
"""Where children are spoken of a full date up to here is one of birth."""
YOUNGEST_BORN = 2029
MONTHS = words(
    """
    january february march april may june july august september october november december jan feb mar apr jun jul
    aug sep sept oct nov dec enero febrero marzo abril mayo junio julio agosto septiembre setiembre octubre
    noviembre diciembre ene abr ago dic
    """
)
_ORDINALS = words(
    """
    first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth
    fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth primero
    """
)
_DOB = ("d", "o", "b")
_NAMED = MONTHS | _ORDINALS
_ARTICLES = frozenset({"the", "el", "un"})
_DATED = frozenset({DATE, ORDINAL})
_MENTIONS = MONTHS | {"del"}
_LINKS = HESITATIONS | words(
    """
    de del of the el year ano in on en dia mes , / - . ' : y and oh finales principios mediados creo let me think see
    that's it's es fue was not no baby sea or o i'm a
    """
)
MOST_LINKS = 6


def find_birth_dates(said: Said, hint: Hint) -> Iterator[Span]:
    is_asked = hint.asked == "birth_date"
    has_cue = not _CUES.isdisjoint(said.vocabulary) or _spells_dob(said)
    if not (is_asked or has_cue or _mentions_date(said)):
        return
    known = lexicon(hint.language)
    done = 0
    for at in _date_starts(said, known):
        if at < done:
            continue
        end, has_month, numbers = _date_until(said, at, known)
        if end == at:
            continue
        done_before, done = done, end
        is_sure = (has_cue and _is_near(said, at, end, _SURE_CUES)) or _says_whose(said, at)
        is_birth = is_asked or is_sure or (has_cue and _is_near(said, at, end, _CUES))
        youngest = YOUNGEST_YEAR if _CHILDREN.isdisjoint(said.vocabulary) else YOUNGEST_CHILD
        if (
            (is_birth and _tells_birth(numbers, has_month=has_month))
            or (is_sure and (has_month or _has_year(numbers, YOUNGEST_BORN)))
            or _is_old(numbers, youngest, has_month=has_month)
        ):
            yield said.span(at - (at > done_before and said.words[at - 1].plain in _ARTICLES), end, BIRTH_DATE)


def _date_starts(said: Said, known: Lexicon) -> list[int]:
    others = [at for at, (word, _, _, kind) in enumerate(said.words) if word in _NAMED or kind in _DATED]
    return sorted({*others, *known.starts(said)})


def _says_whose(said: Said, at: int) -> bool:
    """Such as "soy del tres de mayo" and, where a relative is spoken of, "es del tres de mayo"."""
    before = said.plains[max(0, at - 2) : at]
    return before == ["soy", "del"] or (before == ["es", "del"] and not KIN.isdisjoint(said.vocabulary))


def _is_near(said: Said, first: int, end: int, cues: frozenset[str]) -> bool:
    near = said.plains[max(0, first - MOST_WORDS_TO_DATE) : end + MOST_WORDS_BEHIND_DATE]
    return not cues.isdisjoint(near) or _DOB in zip(near, near[1:], near[2:], strict=False)


def _spells_dob(said: Said) -> bool:
    return "b" in said.vocabulary and _DOB in zip(said.plains, said.plains[1:], said.plains[2:], strict=False)


def _mentions_date(said: Said) -> bool:
    if said.has_digits and any(word.kind == DATE for word in said.words):
        return True
    return not _MENTIONS.isdisjoint(said.vocabulary)


def _date_until(said: Said, at: int, known: Lexicon) -> tuple[int, bool, list[str]]:
    """Return where the date ends that starts at word ``at``, whether it has a month, and the numbers in it."""
    end, has_month = at, False
    numbers: list[str] = []
    place = at
    while place < len(said.words):
        word = said.words[place]
        if word.kind == DATE:
            numbers += _parts(word.plain)
            place = end = place + 1
            has_month = True
        elif word.plain in MONTHS:
            place = end = place + 1
            has_month = True
        elif word.kind == ORDINAL or word.plain in _ORDINALS:
            numbers.append("1")
            place = end = place + 1
        elif word.kind != AMOUNT and (number := read_number(said.words, place, known)) and len(number.digits) <= 8:
            numbers.append(number.digits)
            place = end = number.end
        elif place > at and word.plain in _LINKS and place - end < MOST_LINKS:
            place += 1
        else:
            break
    return end, has_month, numbers


def _parts(date: str) -> list[str]:
    return "".join(character if character.isdecimal() else " " for character in date).split()[:3]


def _tells_birth(numbers: list[str], *, has_month: bool) -> bool:
    return (has_month and bool(numbers)) or len(numbers) >= 3 or _has_year(numbers) or any(len(n) == 8 for n in numbers)


def _has_year(numbers: list[str], youngest: int = YOUNGEST_YEAR) -> bool:
    joined = [*numbers, *(a + b for a, b in pairwise(numbers))]
    return _is_short_year(numbers[-1:]) or any(
        len(number) == 4 and OLDEST_YEAR <= int(number) <= youngest for number in joined
    )


def _is_short_year(last: list[str]) -> bool:
    return any(len(number) == 2 and int(number) >= EARLIEST_SHORT_YEAR for number in last)


def _is_old(numbers: list[str], youngest: int, *, has_month: bool) -> bool:
    """Whether day, month and year are told, "cinco del once del setenta y ocho" too, and the year is long gone."""
    is_whole = has_month or (len(numbers) == 3 and all(len(number) <= 2 for number in numbers[:2]))
    return is_whole and len(numbers) >= 2 and _has_year(numbers, youngest)
