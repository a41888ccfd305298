"""Masks what names or reaches a person before anything touches the disk. Placeholders keep the sentence learnable.

One cheap scan finds texts with an at sign or six digits close together; only their spans meet the libraries.
"""

import re
from collections.abc import Callable

EMAIL, PHONE, CARD, ID = "<EMAIL>", "<PHONE>", "<CARD>", "<ID>"

PHONE_REGIONS = ("MX", "ES", "US")
"""Where a number without a country code may belong; with one, any country's plan applies."""

_SUSPECT = re.compile(r"@|\d(?:\D{0,3}\d){5}")
_UUID = re.compile(r"(?<![\w\-])([0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})(?![\w\-])")
_EMAIL = re.compile(r"[\w.%+\-]{1,64}@(?:[\w\-]{1,63}\.){1,8}[^\W\d_]{2,24}")
_IBAN = re.compile(r"(?<![^\W_])[A-Za-z]{2}\d{2}(?:[ \-]?[A-Za-z0-9]{1,4}){3,8}(?![^\W_])")
_NUMBERED_ID = re.compile(
    r"(?<![^\W_])(?:"
    r"[A-Za-z]{4}\d{6}[HMXhmx][A-Za-z]{5}[A-Za-z0-9]\d"  # CURP
    r"|[A-Za-zÑñ&]{3,4}\d{6}[A-Za-z0-9]{3}"  # RFC
    r"|\d{2}\.?\d{3}\.?\d{3}(?:[ \-]?[A-HJ-NP-TV-Z]|-?[a-hj-np-tv-z])"  # DNI
    r"|[XYZxyz][ \-]?\d{7}[ \-]?[A-HJ-NP-TV-Za-hj-np-tv-z]"  # NIE
    r")(?![^\W_])"
)
_NUMBER = re.compile(r"(?<![^\W_])[+(]{0,2}\d(?:[ .\-()/\u00a0]{0,3}\d){5,}(?![^\W_])")

_DATE = re.compile(r"(?:\d{1,2}[ ./\-]\d{1,2}[ ./\-](?:19|20)\d\d|(?:19|20)\d\d[ ./\-]\d{1,2}[ ./\-]\d{1,2})(?!\d)")
_YEARS = re.compile(r"(?:19|20)\d\d ?[\-/] ?(?:19|20)\d\d")
_AMOUNT = re.compile(r"\d{1,3}(?:([. ])\d{3})(?:\1\d{3})*|\d{1,3}\.\d+")
_MONEY_BEFORE = re.compile(r"(?:[$€£¥]|\b(?:usd|eur|mxn|gbp))\s?$", re.IGNORECASE)
_UNIT_AFTER = re.compile(
    r"\s?(?:[%€$£]|(?:usd|eur|euros?|mxn|pesos?|dollars?|d[oó]lares|bucks|cents|k|km|kg|users?|usuarios|people|personas"
    r"|units?|unidades|seats?|licen[cs]es?|hours?|horas|days?|d[ií]as|years?|a[nñ]os|children|kids)\b)",
    re.IGNORECASE,
)
_SSN = re.compile(r"\d{3}([ \-])\d{2}\1\d{4}")
_PHONE_SHAPE = re.compile(
    r"(?<!\d)(?:\(\d{2,4}\)[ .\-]?\d{3,4}[ .\-]?\d{3,4}|\d{3}[ .\-]\d{3}[ .\-]\d{4}|\d{2}[ .\-]\d{4}[ .\-]\d{4}"
    r"|\d{3}[ .\-]\d{3}[ .\-]\d{3}|[679]\d\d(?:[ .\-]\d\d){3}|\d{3}-\d{4}|\+\d[\d .\-()]{6,})(?!\d)"
)
_LONG_RUN = re.compile(r"\d{9,}")

Masker = Callable[[str], str]
"""Takes a text with something suspect in it, returns it with what it knows masked. Registered below: order matters."""


def redact(text: str) -> str:
    """Return ``text`` with e-mails, phones, cards and identity numbers masked.

    >>> redact("soy ana@mail.mx, mi cel es 55 1234 5678")
    'soy <EMAIL>, mi cel es <PHONE>'
    >>> redact("2,700 dollars in 2024, 12/05/2024 at 10:30")
    '2,700 dollars in 2024, 12/05/2024 at 10:30'
    """
    if not _SUSPECT.search(text):
        return text
    # An id made by a machine names no person: it stays, and so does what refers to it.
    return "".join(part if at % 2 else _mask(part) for at, part in enumerate(_UUID.split(text)))


def warm_up() -> None:
    """Load what the first number of a conversation needs, so that no call waits for it."""
    redact("4111111111111111, +525512345678, 5512345678, 612345678, 4155552671, ES9121000418450200051332")


def mask_emails(text: str) -> str:
    return _EMAIL.sub(EMAIL, text) if "@" in text else text


def mask_ibans(text: str) -> str:
    """Mask account numbers; the check digits tell them from two letters, digits and the words behind them."""
    if not _IBAN.search(text):
        return text
    from stdnum import iban

    def judge(match: re.Match[str]) -> str:
        span = match.group()
        ends = [at for at in range(len(span), 14, -1) if at == len(span) or not span[at].isalnum()]
        for end in ends:
            if iban.is_valid(span[:end]):
                return ID + span[end:]
        return span

    return _IBAN.sub(judge, text)


def mask_numbered_ids(text: str) -> str:
    """Mask CURP, RFC, DNI and NIE by their shape: a mistyped one is still somebody's."""
    return _NUMBERED_ID.sub(ID, text)


def mask_numbers(text: str) -> str:
    """Mask cards, phones and identity numbers among the runs of digits; leave dates, amounts and quantities."""
    return _NUMBER.sub(lambda match: _judge_number(match, text), text)


MASKERS: tuple[Masker, ...] = (mask_emails, mask_ibans, mask_numbered_ids, mask_numbers)


def _mask(text: str) -> str:
    for mask in MASKERS:
        text = mask(text)
    return text


def _judge_number(match: re.Match[str], text: str) -> str:
    span = match.group()
    digits = re.sub(r"\D", "", span)
    if 13 <= len(digits) <= 19 and "+" not in span and _is_card(digits):
        return CARD
    if _is_quantity(match, text):
        return span
    if _SSN.fullmatch(span):
        return ID
    return _mask_phones(span)


def _is_card(digits: str) -> bool:
    from stdnum import luhn

    return bool(luhn.is_valid(digits))


def _is_quantity(match: re.Match[str], text: str) -> bool:
    span = match.group()
    if _DATE.match(span) or _YEARS.fullmatch(span) or _AMOUNT.fullmatch(span):
        return True
    return bool(_MONEY_BEFORE.search(text[max(0, match.start() - 5) : match.start()])) or bool(
        _UNIT_AFTER.match(text[match.end() : match.end() + 12])
    )


def _mask_phones(span: str) -> str:
    if _is_phone(span):
        return PHONE
    masked = _PHONE_SHAPE.sub(PHONE, span)
    return _LONG_RUN.sub(ID, masked)


def _is_phone(span: str) -> bool:
    import phonenumbers

    regions: tuple[str | None, ...] = (None,) if span.lstrip("(").startswith("+") else PHONE_REGIONS
    for region in regions:
        try:
            number = phonenumbers.parse(span, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return True
    return False
