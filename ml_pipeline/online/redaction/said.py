"""A text cut into words and marks once, for every finder of spans."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

HELD, DATE, TIME, AMOUNT, GROUPED, ORDINAL, DIGITS, WORD, MARK = (
    "held", "date", "time", "amount", "grouped", "ordinal", "digits", "word", "mark",
)  # fmt: skip

_PLACEHOLDER = r"<(?:name|email|phone|card|id|address|birth_date|number)>"
_WORDS = re.compile(
    r"(?P<held>(?=[<\da-f])(?:"
    rf"{_PLACEHOLDER}"
    r"|(?<![\w\-])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![\w\-])"  # made by a machine: names no person
    r"|(?<!\w)(?=[0-9a-f]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{16,64}(?!\w)))"
    r"|(?P<word>[^\W\d_]++(?:'[^\W\d_]+)*+)"
    r"|(?P<date>(?<![\d/.\-])(?:(?:19|20)\d\d[/.\-][01]?\d[/.\-][0-3]?\d"
    r"(?:[t ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:z|[+\-]\d\d:?\d\d)?)?"
    r"|[0-3]?\d[/.\-][0-3]?\d[/.\-](?:(?:19|20)\d\d|\d\d))(?![\d/\-]))"
    r"|(?P<time>(?<!\d)[0-2]?\d:[0-5]\d(?::[0-5]\d)?(?!\d))"
    r"|(?P<amount>(?<![\d.\-])(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,6}[.,]\d{1,2}|\d{1,3}\.(?:\d{3}|\d{5,}))"
    r"(?![\d,]|[.\-]\d))"
    r"|(?P<grouped>(?<![\d.])\d{1,3}(?:\.\d{3}){2,}(?![\d.]))"
    r"|(?P<ordinal>\d{1,2}(?:st|nd|rd|th)\b)"
    r"|(?P<digits>\d+)"
    r"|(?P<mark>[^\w\s]|_)"
)
_SIMPLE = re.compile(rf"(?P<word>[^\W\d_]++(?:'[^\W\d_]+)*+)|(?P<held>{_PLACEHOLDER})|(?P<mark>[^\w\s]|_)")
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


@dataclass(frozen=True, slots=True)
class Said:
    """A text and its words; ``vocabulary`` is what occurs in it at all."""

    text: str
    words: list[Word]
    vocabulary: frozenset[str]
    has_capitals: bool
    """It is written with capitals and small letters; speech-to-text often has none."""
    has_digits: bool

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
    found = [
        Word(match.group(), *match.span(), match.lastgroup or MARK)
        for match in (_WORDS if has_digits else _SIMPLE).finditer(folded)
    ]
    own = _PLACEHOLDERS.sub("", text) if "<" in text else text
    return Said(text, found, _vocabulary(found), _has_capitals(own), has_digits)


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
    return Said(said.text, found, _vocabulary(found), _has_capitals(own), said.has_digits)


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


def _vocabulary(found: list[Word]) -> frozenset[str]:
    return frozenset([word[0] for word in found])
