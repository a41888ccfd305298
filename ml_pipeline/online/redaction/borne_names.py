"""Finds names that nobody introduces: those that many bear, and words in capitals where only a name has them."""

from collections.abc import Iterator

from ml_pipeline.online.redaction.given_names import given_names, surnames, wordlike_names
from ml_pipeline.online.redaction.hint import NAME
from ml_pipeline.online.redaction.name_words import (
    MOST_NAME_WORDS,
    bare,
    has_initial,
    is_long_word,
    is_surname,
    is_written_name,
    name_until,
)
from ml_pipeline.online.redaction.said import WORD, Said, Span, phrases, words
from ml_pipeline.online.redaction.vocabulary import COMMON, NO_NAME_ENDINGS, PLACES, ROLES

_SAYING = words(
    """
    said says told tells called calls wants wanted asked asks signed signs handles sent covers again speaking calling
    dijo dice quiere pidio pide llamo manda mando firma firmo aviso hablo
    """
)
_TOLD = phrases(
    """
    dijo | dice | llamo | talk to | talked to | spoke to | speak to | spoke with | speak with | told | ask | hablar con
    | hable con | hablo con | buddy | coworker | dile a | llame a | llama a | with | under | from
    """
)
_NAMESAKES = frozenset({"st", "saint", "san", "santa", "hurricane", "hurricanes", "huracan", "storm"})


def find_borne(said: Said) -> Iterator[Span]:
    """Find what nobody introduces: names that many bear, and words in capitals where only a name has them."""
    done = 0
    for at in _candidates(said):
        if at >= done and _starts_name(said, at):
            done = name_until(said, at + 1, limit=MOST_NAME_WORDS - 1, is_borne=True)
            yield said.span(at, done, NAME)


def _candidates(said: Said) -> list[int]:
    borne, wordlike, text, has_capitals = given_names(), wordlike_names(), said.text, said.has_capitals
    family, plains = surnames(), [*said.plains, ""]
    return [
        at
        for at, (word, start, _, kind) in enumerate(said.words)
        if word in borne
        or word in wordlike
        or (word[-2:] == "'s" and word[:-2] in borne)
        or (kind == WORD and (text[start].isupper() if has_capitals else plains[at + 1] in family))
    ]


def _starts_name(said: Said, at: int) -> bool:
    word = bare(said.words[at].plain)
    if not is_long_word(said, at) or _is_called_after(said, at):
        return False
    return word in given_names() or _starts_unusual_name(said, at, word)


def _starts_unusual_name(said: Said, at: int, word: str) -> bool:
    is_written = is_written_name(said, at)
    if word in wordlike_names():
        is_told = _is_told_of(said, at) or (said.has_capitals and said.is_capital(at) and _follows_role(said, at))
        is_inside = is_written and not _starts_sentence(said, at) and word not in PLACES
        return is_told or is_surname(said, at + 1) or is_inside
    if not is_written:
        return not said.has_capitals and _is_followed_by_surname(said, at, word)
    follows = is_written_name(said, at + 1 + has_initial(said, at + 1)) and said.words[at - 1].plain not in PLACES
    if _starts_sentence(said, at):
        return follows and (word in surnames() or is_surname(said, at + 1))
    return follows or _follows_role(said, at)


def _is_followed_by_surname(said: Said, at: int, word: str) -> bool:
    """Whether two words, of which nobody says either beside, are a name: "farrukh siddiqui"."""
    if word in COMMON or word.endswith(NO_NAME_ENDINGS) or at + 1 >= len(said.words):
        return False
    return said.plains[at + 1] in surnames() and said.plains[at + 1] not in COMMON


def _is_told_of(said: Said, at: int) -> bool:
    """Whether it does or is told what only a person can: "destiny said", "me dijo modesto", "talk to miles"."""
    after = said.plains[at + 1] if at + 1 < len(said.words) else ""
    before = tuple(said.plains[max(0, at - 2) : at])
    return said.words[at].plain not in COMMON and (after in _SAYING or before[-1:] in _TOLD or before in _TOLD)


def _starts_sentence(said: Said, at: int) -> bool:
    """As told by the mark before it, but for one that only abbreviates a title or opens a list: "Dr. Bell"."""
    if at and said.words[at - 1].plain == ":":
        return False
    is_title = at > 1 and said.words[at - 1].plain == "." and said.words[at - 2].plain in ROLES
    return said.starts_sentence(at) and not is_title


def _is_called_after(said: Said, at: int) -> bool:
    """Whether it is a place or a storm that bears the name: "St. Jude", "Hurricane Maria"."""
    before = at - 2 if at > 1 and said.words[at - 1].plain == "." else at - 1
    return at > 0 and said.words[before].plain in _NAMESAKES


def _follows_role(said: Said, at: int) -> bool:
    """Such as "My nephew Kofi", "una clienta, Zulema", "under Haverford"."""
    return any(word.plain in ROLES for word in said.words[max(0, at - 3) : at])
