"""A text cut into words and marks once, for every finder of spans."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

HELD, DATE, TIME, AMOUNT, GROUPED, ORDINAL, DIGITS, WORD, MARK = (
    "held", "date", "time", "amount", "grouped", "ordinal", "digits", "word", "mark",
)  # fmt: skip

_PLACEHOLDER = r"<(?:name|email|phone|card|id|address|birth_date|number)>"
_MADE_BY_A_MACHINE = (
    r"(?<![\w\-])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![\w\-])"
    r"|(?<!\w)(?=[0-9a-f]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{16,64}(?!\w)"
)
"""A UUID or a digest names no person."""
_WORD = r"(?P<word>[^\W\d_]++(?:'[^\W\d_]+)*+)"
_MARK = r"(?P<mark>[^\w\s]|_)"
_NUMBERS = (
    r"(?=\d)(?:(?P<date>(?<![\d/.\-])(?:(?:19|20)\d\d[/.\-][01]?\d[/.\-][0-3]?\d"
    r"(?:[t ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:z|[+\-]\d\d:?\d\d)?)?"
    r"|[0-3]?\d[/.\-][0-3]?\d[/.\-](?:(?:19|20)\d\d|\d\d))(?![\d/\-]))"
    r"|(?P<time>(?<!\d)[0-2]?\d:[0-5]\d(?::[0-5]\d)?(?!\d))"
    r"|(?P<amount>(?<![\d.\-])(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3})+,\d{1,2}|\d{1,6}[.,]\d{1,2}|\d{1,3}\.(?:\d{3}|\d{5,}))"
    r"(?![\d,]|[.\-]\d))"
    r"|(?P<grouped>(?<![\d.])\d{1,3}(?:\.\d{3}){2,}(?![\d.]))"
    r"|(?P<ordinal>\d{1,2}(?:st|nd|rd|th)\b)"
    r"|(?P<digits>\d+))"
)
_SIMPLE = re.compile(rf"{_WORD}|(?P<held>{_PLACEHOLDER})|{_MARK}")
_WITH_NUMBERS = re.compile(rf"{_WORD}|{_NUMBERS}|(?P<held>{_PLACEHOLDER})|{_MARK}")
_WITH_IDS = re.compile(rf"(?P<held>{_PLACEHOLDER}|{_MADE_BY_A_MACHINE})|{_WORD}|{_NUMBERS}|{_MARK}")
_LIKE_AN_ID = re.compile(r"[0-9a-f]{8}")
_PLACEHOLDERS = re.compile(_PLACEHOLDER, re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_PLAIN = str.maketrans("áàâäãåéèêëíìîïóòôöõúùûüñç\u2019\u00b4`", "aaaaaaeeeeiiiiooooouuuunc'''")
SENTENCE_ENDS = frozenset('.:?!¿¡"')


class Word(NamedTuple):
    """``plain``: lower case without accents. ``kind``: one of the constants above."""

    plain: str
    start: int
    end: int
    kind: str

    @property
    def is_letter(self) -> bool:
        return len(self.plain) == 1 and self.kind == WORD


class Span(NamedTuple):
    """Characters ``[start, end)`` of a text, to be replaced by ``label``."""

    start: int
    end: int
    label: str


@dataclass(slots=True)
class Said:
    """A text and its words; ``vocabulary`` is what occurs in it at all."""

    text: str
    words: list[Word]
    plains: list[str]
    """The words in plain form."""
    vocabulary: frozenset[str]
    has_capitals: bool
    """It is written with capitals and small letters; speech-to-text often has none."""
    has_digits: bool
    number_starts: list[int] | None = None
    """Where a number may start, once somebody has looked; see ``Lexicon.starts``."""

    def span(self, first: int, end: int, label: str) -> Span:
        """Return the span from word ``first`` up to and without word ``end``."""
        return Span(self.words[first].start, self.words[end - 1].end, label)

    def is_capital(self, at: int) -> bool:
        return self.text[self.words[at].start].isupper()

    def starts_sentence(self, at: int) -> bool:
        return at == 0 or self.words[at - 1].plain in SENTENCE_ENDS

    def is_tight(self, at: int) -> bool:
        """Tell whether nothing stands between word ``at`` and the one before it."""
        return 0 < at < len(self.words) and self.words[at - 1].end == self.words[at].start


def words(text: str) -> frozenset[str]:
    """Return the words of a list that is written as a text, in plain form."""
    return frozenset(text.split())


def phrases(text: str) -> frozenset[tuple[str, ...]]:
    """Return the phrases of a list that is written as a text, one parted from the next by a bar."""
    return frozenset(tuple(phrase.split()) for phrase in text.split("|"))


def plain(text: str) -> str:
    """Return ``text`` in lower case without accents, character for character.

    >>> plain("Código"), plain("İ")
    ('codigo', 'i')
    """
    lower = text.lower()
    if lower.isascii() and len(lower) == len(text):
        return lower
    if len(lower) != len(text):
        lower = "".join(character.lower()[:1] for character in text)
    return lower.translate(_PLAIN)


def read_words(text: str) -> Said:
    folded = plain(text)
    has_digits = bool(_DIGIT.search(folded))
    pattern = _SIMPLE
    if has_digits:
        pattern = _WITH_IDS if _LIKE_AN_ID.search(folded) else _WITH_NUMBERS
    found = [Word(match.group(), *match.span(), match.lastgroup or MARK) for match in pattern.finditer(folded)]
    own = _PLACEHOLDERS.sub("", text) if "<" in text else text
    return _said(text, found, has_capitals=_has_capitals(own), has_digits=has_digits)


def mask_words(said: Said, spans: list[Span]) -> Said:
    """Return ``said`` as finders see it once ``spans``, in order and apart, are masked: each one word that is held."""
    found: list[Word] = []
    at = 0
    for span in spans:
        while at < len(said.words) and said.words[at].start < span.start:
            found.append(said.words[at])
            at += 1
        found.append(Word(span.label.lower(), span.start, span.end, HELD))
        while at < len(said.words) and said.words[at].start < span.end:
            at += 1
    found += said.words[at:]
    own = "".join(said.text[word.start : word.end] for word in found if word.kind != HELD)
    return _said(said.text, found, has_capitals=_has_capitals(own), has_digits=said.has_digits)


def merge_spans(spans: Iterable[Span]) -> list[Span]:
    """Return ``spans`` in order; what overlaps becomes one, under the label of the longest."""
    found: list[Span] = []
    longest = 0
    for span in sorted(spans):
        length = span.end - span.start
        if found and span.start < found[-1].end:
            label = span.label if length > longest else found[-1].label
            longest = max(longest, length)
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end), label)
        else:
            found.append(span)
            longest = length
    return found


def replace_spans(text: str, spans: list[Span]) -> str:
    """Return ``text`` with ``spans``, in order and apart, replaced by their labels."""
    pieces: list[str] = []
    done = 0
    for start, end, label in spans:
        pieces += (text[done:start], label)
        done = end
    return "".join(pieces) + text[done:]


def _has_capitals(text: str) -> bool:
    return not text.islower() and not text.isupper()


def _said(text: str, found: list[Word], *, has_capitals: bool, has_digits: bool) -> Said:
    plains = [word[0] for word in found]
    return Said(text, found, plains, frozenset(plains), has_capitals, has_digits)
