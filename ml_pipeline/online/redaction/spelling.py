"""Masks what is spelt letter by letter: "q u i n t e r o", "eight r t q two m"; nobody spells what all may know."""

from collections.abc import Iterator

from ml_pipeline.online.redaction.hint import EMAIL, ID, NAME, NUMBER, PHONE, Hint
from ml_pipeline.online.redaction.letters import SURE_LETTERS, is_surely_letter, letter_of, letter_until
from ml_pipeline.online.redaction.number_words import Lexicon, lexicon
from ml_pipeline.online.redaction.said import DIGITS, MARK, Said, Span
from ml_pipeline.online.redaction.vocabulary import HESITATIONS

FEWEST_CHARACTERS = 5
FEWEST_SURE_LETTERS = 3
FEW_LETTERS = 2
HELD_NUMBERS = frozenset({ID.lower(), NUMBER.lower(), PHONE.lower()})
_SPELT_ANSWERS = frozenset({"name", "email"})
"""So many and a digit are the rest of a code of which more has been told."""
MOST_BETWEEN = 2


def find_spellings(said: Said, hint: Hint) -> Iterator[Span]:
    if SURE_LETTERS.isdisjoint(said.vocabulary):
        return
    has_number = HELD_NUMBERS.intersection(said.vocabulary)
    fewest = FEW_LETTERS if has_number or hint.asked in _SPELT_ANSWERS else FEWEST_SURE_LETTERS
    if sum(word in SURE_LETTERS for word in said.plains) < fewest:
        return
    known = lexicon(hint.language)
    at = 0
    while at < len(said.words):
        end, letters, digits = _spelt_from(said, at, known)
        is_long = letters + digits >= FEWEST_CHARACTERS and letters >= fewest
        if is_long or (has_number and letters >= FEW_LETTERS and digits):
            yield said.span(at, end, _label(hint, has_digits=digits > 0))
        at = max(end, at + 1)


def _spelt_from(said: Said, start: int, known: Lexicon) -> tuple[int, int, int]:
    """Return where the spelling ends that starts at word ``start``, and how many letters and digits it has.

    Letters that are words beside count between others only.
    """
    end = at = start
    letters = digits = waiting = 0
    last_letter = start
    while at < len(said.words) and at - end - waiting <= MOST_BETWEEN:
        word = said.words[at]
        after = letter_until(said, at)
        if after > at + 1 or is_surely_letter(said, at):
            letters += 1 + waiting
            at = end = after
            waiting = 0
        elif (word.kind == DIGITS and len(word.plain) == 1) or word.plain in known.units or _is_oh(said, at, known):
            digits += 1
            letters += waiting
            at = end = at + 1
            waiting = 0
        elif letter_of(said, at):
            waiting += 1
            at += 1
            last_letter = at
        elif at > start and (word.plain in HESITATIONS or (word.kind == MARK and word.plain in "-,")):
            at += 1
        else:
            break
    is_last = waiting and end + waiting == last_letter and _may_be_last(said, last_letter)
    if is_last and letters >= FEWEST_SURE_LETTERS:
        return last_letter, letters + waiting, digits
    return end, letters, digits


def _may_be_last(said: Said, end: int) -> bool:
    """Whether the letters before word ``end`` that are words beside are letters: written as one, or last of all."""
    return said.words[end - 1].is_letter or end == len(said.words)


def _is_oh(said: Said, at: int, known: Lexicon) -> bool:
    return said.words[at].plain == "oh" and at > 0 and said.words[at - 1].plain in known.units


def _label(hint: Hint, *, has_digits: bool) -> str:
    if hint.asked == "email":
        return EMAIL
    return ID if has_digits else NAME
