"""Masks what its writing alone gives away: e-mails, IBAN, CURP, RFC, DNI, NIE, SSN, cards and phones in usual groups.

These go first, whatever stands around them. Order matters.
"""

import re
from collections.abc import Callable

from ml_pipeline.online.redaction.hint import CARD, EMAIL, ID, NUMBER, PHONE
from ml_pipeline.online.redaction.number_kinds import is_card, is_iban, is_phone

_SIX_DIGITS = re.compile(r"\d(?:\D{0,3}\d){5}")
_EMAIL = re.compile(r"[\w.%+\-]{1,64}@(?:[\w\-]{1,63}\.){1,8}[^\W\d_]{2,24}")
_IBAN = re.compile(r"(?<![^\W_])[A-Za-z]{2}\d{2}(?:[ \-]?[A-Za-z0-9]{1,4}){3,8}(?![^\W_])")
_NUMBERED_ID = re.compile(
    r"(?<![^\W_])(?:"
    r"[A-Za-z]{4}\d{6}[HMXhmx][A-Za-z]{5}[A-Za-z0-9]\d"  # CURP
    r"|[A-Za-zÑñ&]{3,4}(?:\d{6}[A-Za-z0-9]{3}|[ \-]\d{6}[ \-][A-Za-z0-9]{3})"  # RFC
    r"|\d{2}\.?\d{3}\.?\d{3}(?:[ \-]?[A-HJ-NP-TV-Z]|-?[a-hj-np-tv-z])"  # DNI
    r"|[XYZxyz][ \-]?\d{7}[ \-]?[A-HJ-NP-TV-Za-hj-np-tv-z]"  # NIE
    r")(?![^\W_])"
)
_SSN = re.compile(r"(?<![^\W_])\d{3}([ \-])\d\d\1\d{4}(?![^\W_])")
_RUN = re.compile(r"(?<![^\W_])[+(]{0,2}\d(?:[ .\-()/\u00a0]{0,3}\d){5,}(?![^\W_])")
_CARD = re.compile(
    r"(?<![^\W_])(?<!\+)\d{4}[ .\-\u00a0]{0,2}(?:\d{4}[ .\-\u00a0]{0,2}\d{4}[ .\-\u00a0]{0,2}\d{1,7}"
    r"|\d{6}[ .\-\u00a0]{0,2}\d{4,5})(?![^\W_])"
)
_CARD_OF_ANY_GROUPS = re.compile(r"\d(?:[ .\-\u00a0]{0,3}\d){12,18}")
_PHONE = re.compile(
    r"(?:"
    r"(?:\((?=\+\d{1,3}\)))?\+(?:"
    r"\d(?:[ .\-()\u00a0]{0,3}\d){8,14}(?![/:]\d)"  # stops before a date or a time
    r"|\d(?:[ .\-()\u00a0]{0,3}\d){8,})"
    r"|(?<![^\W_])(?:(?:1|34|52)[ .\-])?(?:"
    r"(?:\d{3}[.\-]|[2-9]\d\d )\d{3}[ .\-]\d{4}"
    r"|(?:33|55|56|81)([ .\-])\d{4}\1\d{4}"
    r"|[679]\d\d([ .\-])\d\d\2\d\d\2\d\d)"
    r"|(?:(?<![^\W_])(?:1|52)[ .\-])?\(\d{2,3}\)[ .\-]?\d{3,4}[ .\-]?\d{4}"
    r")(?![^\W_])"
)
_UUID = re.compile(r"(?<![\w\-])([0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})(?![\w\-])")
_CODE = re.compile(
    r"(?<![\w\-])(?=(?:[A-Z\-]*\d[\d\-]*[A-Z]){2}|(?:[\d\-]*[A-Z][A-Z\-]*\d){2})[A-Z0-9\-]{6,24}(?![\w\-])"
)
_CAPITAL_AND_DIGIT = re.compile(r"[A-Z]-?\d")
_LONG_NUMBER = re.compile(r"(?<![^\W_])\d{9,}(?![^\W_])")
_NO_DIGITS = re.compile(r"\D+")

MOST_ROUNDS = 8


Masker = Callable[[str], str]


def mask_written(text: str) -> str:
    """Return ``text`` with what is certain masked.

    >>> mask_written("soy ana@mail.mx, mi cel es 55 1234 5678")
    'soy <EMAIL>, mi cel es <PHONE>'
    """
    # What is masked can set free what stood beside it, so once is not always enough.
    for _ in range(MOST_ROUNDS):
        masked = _mask(text, _maskers(text))
        if masked == text:
            break
        text = masked
    return text


def mask_in_key(text: str) -> str:
    """Return ``text``, which a machine made to name something, with contacts and long numbers masked."""
    return _mask(mask_written(text), (mask_long_numbers,))


def mask_emails(text: str) -> str:
    return _EMAIL.sub(EMAIL, text) if "@" in text else text


def mask_ibans(text: str) -> str:
    """Mask account numbers; the check digits tell them from two letters, digits and the words behind them."""

    def judge(match: re.Match[str]) -> str:
        span = match.group()
        ends = [at for at in range(len(span), 14, -1) if at == len(span) or not span[at].isalnum()]
        for end in ends:
            if is_iban(re.sub(r"[ \-]", "", span[:end])):
                return ID + span[end:]
        return span

    return _IBAN.sub(judge, text)


def mask_numbered_ids(text: str) -> str:
    """Mask SSN, CURP, RFC, DNI and NIE by their shape: a mistyped one is still somebody's."""
    return _SSN.sub(ID, _NUMBERED_ID.sub(ID, text))


def mask_cards(text: str) -> str:
    """Mask what is grouped like a card and has its check digit, wherever in a run of digits it stands."""
    return _RUN.sub(lambda match: _mask_cards_of(match.group()), text)


def mask_phones(text: str) -> str:
    """Mask what no quantity and no date looks like: numbers with a plus, and phones in their usual groups."""
    return _PHONE.sub(PHONE, text)


def mask_runs(text: str, placeholder: str, fewest_digits: int) -> str:
    """Mask every run of at least ``fewest_digits`` (six or more), whatever it may be."""
    return _RUN.sub(lambda match: placeholder if len(_digits(match.group())) >= fewest_digits else match.group(), text)


def mask_codes(text: str) -> str:
    """Mask booking codes and their like: capitals and digits that change twice or more, "8RT-Q2M"."""
    return _CODE.sub(ID, text)


def mask_long_numbers(text: str) -> str:
    """Mask nine digits or more that stand together."""
    return _LONG_NUMBER.sub(lambda match: PHONE if is_phone(match.group()) else NUMBER, text)


_FOR_NUMBERS: tuple[Masker, ...] = (mask_ibans, mask_numbered_ids, mask_cards, mask_phones)


def _maskers(text: str) -> tuple[Masker, ...]:
    """Return what can find anything in ``text`` at all."""
    emails = (mask_emails,) if "@" in text else ()
    numbers = _FOR_NUMBERS if _SIX_DIGITS.search(text) else ()
    codes = (mask_codes,) if _CAPITAL_AND_DIGIT.search(text) else ()
    return emails + numbers + codes


def _mask(text: str, maskers: tuple[Masker, ...]) -> str:
    if not maskers:
        return text
    # An id made by a machine names no person: it stays, and so does what refers to it.
    parts = _UUID.split(text)
    for mask in maskers:
        parts[::2] = [mask(part) for part in parts[::2]]
    return "".join(parts)


def _mask_cards_of(run: str) -> str:
    if _CARD_OF_ANY_GROUPS.fullmatch(run) and is_card(_digits(run)):
        return CARD
    masked, done, start = "", 0, 0
    # A number that is no card may overlap one that is: "2024 4111 1111 1111 1111".
    while found := _CARD.search(run, start):
        start = found.start() + 1
        if is_card(_digits(found.group())):
            masked += run[done : found.start()] + CARD
            done = start = found.end()
    return masked + run[done:]


def _digits(number: str) -> str:
    return _NO_DIGITS.sub("", number)
