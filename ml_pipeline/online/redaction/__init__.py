"""Masks what names or reaches a person before anything touches the disk. Placeholders keep the sentence learnable.

First goes what its writing alone gives away; then the text is cut into words once, and each finder looks for its own
kind of span in them. A finder whose first words do not occur costs one look; libraries see only what it found.
"""

from collections.abc import Callable, Iterator

from ml_pipeline.online.redaction.addresses import find_addresses
from ml_pipeline.online.redaction.answers import find_answer
from ml_pipeline.online.redaction.birth_dates import find_birth_dates
from ml_pipeline.online.redaction.crossings import find_crossings
from ml_pipeline.online.redaction.customer import customer_names
from ml_pipeline.online.redaction.emails import find_emails
from ml_pipeline.online.redaction.hint import NO_HINT, Hint
from ml_pipeline.online.redaction.names import find_names, find_names_again, introduced_names
from ml_pipeline.online.redaction.numbers import find_numbers
from ml_pipeline.online.redaction.questions import asked_for
from ml_pipeline.online.redaction.said import Said, Span, mask_words, merge_spans, read_words, replace_spans
from ml_pipeline.online.redaction.spelling import find_spellings
from ml_pipeline.online.redaction.written import mask_in_key, mask_written

__all__ = [
    "NO_HINT",
    "Hint",
    "asked_for",
    "customer_names",
    "introduced_names",
    "redact",
    "redact_key",
    "warm_up",
]

Finder = Callable[[Said, Hint], Iterator[Span]]

FINDERS: tuple[Finder, ...] = (
    find_emails,
    find_addresses,
    find_crossings,
    find_birth_dates,
    find_numbers,
    find_names,
    find_names_again,
    find_spellings,
    find_answer,
)
MOST_ROUNDS = 4


def redact(text: str, hint: Hint = NO_HINT) -> str:
    """Return ``text`` with names, contacts, numbers of persons, addresses and birth dates masked.

    >>> redact("soy ana@mail.mx, mi cel es cinco cinco doce treinta y cuatro cincuenta y seis setenta y ocho")
    'soy <EMAIL>, mi cel es <PHONE>'
    >>> redact("it costs 2,700 dollars in 2024, call at 10:30")
    'it costs 2,700 dollars in 2024, call at 10:30'
    """
    # What is masked can set free what stood beside it, so once is not always enough.
    for _ in range(MOST_ROUNDS):
        masked = _mask_words(mask_written(text), hint)
        if masked == text or mask_written(masked) == masked:
            return masked
        text = masked
    return text


def _mask_words(text: str, hint: Hint) -> str:
    said = read_words(text)
    masked: list[Span] = []
    for _ in range(MOST_ROUNDS):
        found = [span for find in FINDERS for span in find(said, hint)]
        if not found:
            break
        masked = merge_spans(masked + found)
        said = mask_words(said, masked)
    return replace_spans(text, masked) if masked else text


def redact_key(text: str) -> str:
    """Return ``text``, which a machine made to name something, with contacts in it masked; short numbers stay.

    >>> redact_key("whatsapp:+52 55 1234 5678"), redact_key("call-2024-0042")
    ('whatsapp:<PHONE>', 'call-2024-0042')
    """
    return mask_in_key(text)


def warm_up() -> None:
    """Load what the first number of a conversation needs, so that no call waits for it."""
    redact("4111111111111111, +525512345678, 5512345678, 612345678, 4155552671, ES9121000418450200051332")
    redact("Soy Rosa Luna, calle Luna 12, nací el 5 de mayo, rosa punto luna arroba gmail punto com")
    asked_for("Your name?")
