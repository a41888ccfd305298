"""Masks what names or reaches a person before anything touches the disk. Placeholders keep the sentence learnable.

One cheap scan finds texts with an at sign or six digits close together; only their spans meet the libraries.
"""

import re
from collections.abc import Callable

from ml_pipeline.online.digit_runs import ID, mask_cards, mask_contacts, mask_numbers

EMAIL = "<EMAIL>"

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

Masker = Callable[[str], str]
"""Takes a text with something suspect in it, returns it with what it knows masked. Registered below: order matters."""


def redact(text: str) -> str:
    """Return ``text`` with e-mails, phones, cards and identity numbers masked.

    >>> redact("soy ana@mail.mx, mi cel es 55 1234 5678")
    'soy <EMAIL>, mi cel es <PHONE>'
    >>> redact("2,700 dollars in 2024, 12/05/2024 at 10:30")
    '2,700 dollars in 2024, 12/05/2024 at 10:30'
    """
    # What is masked can set free what stood beside it, so once is not enough.
    while _SUSPECT.search(text) and (masked := _mask(text)) != text:
        text = masked
    return text


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


MASKERS: tuple[Masker, ...] = (
    mask_emails,
    mask_ibans,
    mask_numbered_ids,
    mask_cards,
    mask_contacts,
    mask_numbers,
)


def _mask(text: str) -> str:
    # An id made by a machine names no person: it stays, and so does what refers to it.
    parts = _UUID.split(text)
    for mask in MASKERS:
        parts[::2] = [mask(part) for part in parts[::2]]
    return "".join(parts)
