"""Masks short answers to a question for a name or a number whole: nothing in them need give them away."""

from collections.abc import Iterator

from ml_pipeline.online.redaction.birth_dates import MONTHS
from ml_pipeline.online.redaction.given_names import given_names, surnames, wordlike_names
from ml_pipeline.online.redaction.hint import ADDRESS, BIRTH_DATE, EMAIL, NAME, Hint
from ml_pipeline.online.redaction.letters import is_surely_letter
from ml_pipeline.online.redaction.number_kinds import number_kind
from ml_pipeline.online.redaction.number_words import lexicon, read_number
from ml_pipeline.online.redaction.quantities import MEASURES
from ml_pipeline.online.redaction.said import DIGITS, HELD, MARK, WORD, Said, Span, words
from ml_pipeline.online.redaction.vocabulary import COMMON, NO_NAME_ENDINGS

MOST_WORDS = {"name": 8, "email": 16, "number": 24, "address": 14, "birth_date": 16}
"""A longer answer says more than was asked."""
FEWEST_DIGITS = 2
MOST_WORDS_TO_MONTH = 8
SHORTEST_NAME = 3

MOST_WORDS_TO_REFUSAL = 3

_OPENERS = words(
    """
    no not nope nah don't won't can't do rather prefer skip let's just why prefiero mejor ni luego nunca tampoco dejelo
    deje eso primero dejalo olvidelo nothing none never ask ninguno ninguna nada sin para
    """
)
_PARTS_OF_DATE = words("day month year dia mes ano")
_SIGNS = words("@ arroba at dot punto guion _ underscore")
_LABELS = {"name": NAME, "email": EMAIL, "address": ADDRESS, "birth_date": BIRTH_DATE}
_NUMBERS = frozenset({"number", "birth_date"})


def find_answer(said: Said, hint: Hint) -> Iterator[Span]:
    """Find the whole of a short answer that holds more than anybody's words; a question back is none."""
    most = MOST_WORDS.get(hint.asked, 0)
    if not most or not said.words or len(said.words) > 2 * most or "?" in said.vocabulary:
        return
    if sum(word.kind != MARK for word in said.words) > most:
        if hint.asked == "name":
            yield from _borne(said)
        return
    digits = _digits(said, hint) if hint.asked in _NUMBERS else ""
    is_month = hint.asked == "birth_date" and len(said.words) <= MOST_WORDS_TO_MONTH and _names_month(said)
    if (
        is_month or len(digits) >= FEWEST_DIGITS
        if hint.asked in _NUMBERS
        else _tells(said, hint) and not _refuses(said)
    ):
        yield said.span(0, len(said.words), _LABELS.get(hint.asked) or number_kind(said, 0, digits))
    elif hint.asked == "name":
        yield from _borne(said)


def _borne(said: Said) -> Iterator[Span]:
    """What hardly anybody says or many bear as a name: who is asked for a name means it as one."""
    borne = wordlike_names() | surnames()
    for at, word in enumerate(said.words):
        is_unknown = word.kind == WORD and len(word.plain) >= SHORTEST_NAME and _is_telling(word.plain)
        if is_unknown and (word.plain in borne or not said.has_capitals):
            yield said.span(at, at + 1, NAME)


def _names_month(said: Said) -> bool:
    """Such as "in june": of "may" nothing is sure."""
    return not MONTHS.isdisjoint(said.vocabulary - {"may"})


def _refuses(said: Said) -> bool:
    """Whether it starts as a refusal does and holds nothing that only an answer has: "no, just mail it"."""
    if _OPENERS.isdisjoint(said.plains[:MOST_WORDS_TO_REFUSAL]):
        return False
    names = given_names()
    return not any(
        word.kind in {DIGITS, HELD} or word.plain in _SIGNS or word.plain in names or is_surely_letter(said, at)
        for at, word in enumerate(said.words)
    )


def _tells(said: Said, hint: Hint) -> bool:
    numbers = lexicon(hint.language).all_words if MEASURES.isdisjoint(said.vocabulary) else frozenset()
    return any(
        word.kind == DIGITS
        or (word.kind == WORD and (_is_telling(word.plain) or word.plain in numbers or is_surely_letter(said, at)))
        for at, word in enumerate(said.words)
    )


def _is_telling(word: str) -> bool:
    return word not in COMMON and not word.endswith(NO_NAME_ENDINGS)


def _digits(said: Said, hint: Hint) -> str:
    """All digits of an answer; none where it tells an amount."""
    measures = MEASURES - _PARTS_OF_DATE if hint.asked == "birth_date" else MEASURES
    if not measures.isdisjoint(said.vocabulary):
        return ""
    known = lexicon(hint.language)
    digits, done = "", 0
    for at in known.starts(said):
        if at >= done and (number := read_number(said.words, at, known)):
            digits += number.digits
            done = number.end
    return digits
