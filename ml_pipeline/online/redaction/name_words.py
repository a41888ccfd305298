"""What may be part of a name, and how far a name reaches once it has begun."""

from ml_pipeline.online.redaction.given_names import given_names, surnames
from ml_pipeline.online.redaction.introductions import CLOSERS
from ml_pipeline.online.redaction.letters import spelt_until
from ml_pipeline.online.redaction.said import WORD, Said, words
from ml_pipeline.online.redaction.vocabulary import COMMON, HESITATIONS, NO_NAME_ENDINGS, PLACES

SHORTEST_NAME = 2
MOST_NAME_WORDS = 5
MOST_SPELT_LETTERS = 24
PARTICLES = words(
    """
    de del la las los y van von der da dos das di san santa mac mc o al el bin
    """
)


def bare(word: str) -> str:
    """The word without the "'s" of what is somebody's."""
    return word.removesuffix("'s")


def has_initial(said: Said, at: int) -> int:
    """The words of "M." at ``at``."""
    if at + 1 < len(said.words) and said.words[at].is_letter and said.is_capital(at):
        return 1 + (said.words[at + 1].plain == ".")
    return 0


def is_written_name(said: Said, at: int) -> bool:
    if not said.has_capitals or at >= len(said.words) or not is_long_word(said, at) or not said.is_capital(at):
        return False
    word = said.words[at]
    return word.plain not in COMMON and word.plain not in PLACES and not said.text[word.start : word.end].isupper()


def is_surname(said: Said, at: int) -> bool:
    return at < len(said.words) and (said.words[at].plain in surnames() or said.words[at].plain in given_names())


def name_until(said: Said, at: int, *, limit: int, is_borne: bool = False) -> int:
    """Return where a name ends that has reached word ``at``: further names, particles, the letters it is spelt in."""
    end = at
    while at < len(said.words) and limit > 0 and at - end < 4:
        word = said.words[at]
        spelt = spelt_until(said, at, min(len(said.words), at + MOST_SPELT_LETTERS))
        if spelt > at:
            return spelt
        is_written = said.has_capitals and said.words[at - 1].kind == WORD and _is_capital_word(said, at)
        if (is_written or is_further_name(said, at)) and not (is_borne and word.plain.endswith(NO_NAME_ENDINGS)):
            limit -= 1
            at = end = at + 1
        elif initial := has_initial(said, at):
            at += initial
        elif word.plain in PARTICLES or word.plain in HESITATIONS or _is_hyphen(said, at):
            at += 1
        else:
            break
    return end


def _is_capital_word(said: Said, at: int) -> bool:
    """Whether a name may be what anybody says beside, since it is written as one: "Dakota Sales"."""
    word = said.words[at]
    is_shouted = said.text[word.start : word.end].isupper()
    return is_long_word(said, at) and said.is_capital(at) and not is_shouted and word.plain not in PLACES


def _is_hyphen(said: Said, at: int) -> bool:
    return said.words[at].plain == "-" and said.is_tight(at) and said.is_tight(at + 1)


def is_further_name(said: Said, at: int) -> bool:
    word = said.words[at].plain
    if not is_long_word(said, at) or word in COMMON or word in CLOSERS:
        return False
    return not said.has_capitals or said.is_capital(at) or word in given_names() or word in surnames()


def is_long_word(said: Said, at: int) -> bool:
    return said.words[at].kind == WORD and len(said.words[at].plain) >= SHORTEST_NAME
