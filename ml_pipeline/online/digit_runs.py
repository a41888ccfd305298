"""Masks cards, phones and identity numbers among runs of digits; leaves dates, amounts and quantities.

The certain goes first, whatever stands around it; only what is left is weighed against money, units and dates.
"""

import re

PHONE, CARD, ID = "<PHONE>", "<CARD>", "<ID>"

PHONE_REGIONS = ("MX", "ES", "US")
"""Where a number without a country code may belong; with one, any country's plan applies."""

_SEPARATORS = " .-/\u00a0"
_RUN = re.compile(r"(?<![^\W_])[+(]{0,2}\d(?:[ .\-()/\u00a0]{0,3}\d){5,}(?![^\W_])")

_CARD = re.compile(
    r"(?<![^\W_])(?<!\+)\d{4}[ .\-\u00a0]{0,2}(?:\d{4}[ .\-\u00a0]{0,2}\d{4}[ .\-\u00a0]{0,2}\d{1,7}"
    r"|\d{6}[ .\-\u00a0]{0,2}\d{4,5})(?![^\W_])"
)
_CARD_OF_ANY_GROUPS = re.compile(r"\d(?:[ .\-\u00a0]{0,3}\d){12,18}")
_SSN = re.compile(r"(?<![^\W_])\d{3}-\d\d-\d{4}(?![^\W_])")
_CONTACT = re.compile(
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

_DATE = re.compile(
    r"((?:\A[0-3]?\d [0-3]?\d (?:19|20)|(?<!\d)[0-3]?\d(?:/[0-3]?\d/|-[0-3]?\d-|\.[0-3]?\d\.)(?:19|20))\d\d(?!\d)"
    r"|(?<!\d)(?:19|20)\d\d(?:/[01]?\d/|-[01]?\d-|\.[01]?\d\.| [01]?\d )[0-3]?\d(?!\d))"
)
_YEARS = re.compile(r"(?:19|20)\d\d ?[\-/] ?(?:19|20)\d\d")
_AMOUNT = re.compile(r"\d{1,3}(?:([. ])\d{3})(?:\1\d{3})*|\d{1,3}\.\d+")
_SPANISH_PHONE = re.compile(r"[6-9]\d\d([. ])\d{3}\1\d{3}")
_ROUND = re.compile(r"\d{1,3}0{6,}")
_MONEY_BEFORE = re.compile(r"(?:[$€£¥]|\b(?:usd|eur|mxn|gbp))\s?$", re.IGNORECASE)
_MONEY_AFTER = re.compile(
    r"\s?(?:[%€$£]|(?:usd|eur|euros?|mxn|pesos?|dollars?|d[oó]lares|bucks|cents)\b)", re.IGNORECASE
)
_UNIT_AFTER = re.compile(
    r"\s?(?:k|km|kg|users?|usuarios|people|personas|units?|unidades|seats?|licen[cs]es?|hours?|horas|days?|d[ií]as"
    r"|years?|a[nñ]os|children|kids)\b",
    re.IGNORECASE,
)
_FIRST_NUMBER = re.compile(r"[+(]{0,2}(?:\d{1,3}([. ])\d{3}(?:\1\d{3})*(?!\d)|\d+(?:\.\d+)?)")
_LAST_NUMBER = re.compile(r"(?<!\d)(?:\d{1,3}([. ])\d{3}(?:\1\d{3})*|\d+(?:\.\d+)?)$")
_PHONE_SHAPE = re.compile(
    r"(?<!\d)(?:\(\d{2,4}\)[ .\-]?\d{3,4}[ .\-]?\d{3,4}|\d{2}[ .\-]\d{4}[ .\-]\d{4}|\d{3}[ .\-]\d{3}[ .\-]\d{3}"
    r"|\d{3}-\d{4}|\+\d[\d .\-()]{6,})(?!\d)"
)
_SPACED_SSN = re.compile(r"\d{3} \d\d \d{4}")
_NO_DIGITS = re.compile(r"\D+")
_LONG_RUN = re.compile(r"\d{9,}")

MOST_COUNTED_DIGITS = 8
"""Of users, days or seats nobody writes more digits than these, unless grouped or round."""


def mask_cards(text: str) -> str:
    """Mask what is grouped like a card and has its check digit, wherever in a run of digits it stands."""
    return _RUN.sub(lambda match: _mask_cards_of(match.group()), text)


def mask_contacts(text: str) -> str:
    """Mask what no quantity and no date looks like: numbers with a plus, phones and SSNs in their usual groups."""
    return _SSN.sub(ID, _CONTACT.sub(PHONE, text))


def mask_numbers(text: str) -> str:
    """Mask phones, SSNs and long numbers among what is left, unless money, a unit or a date explains them."""

    def judge(match: re.Match[str]) -> str:
        before = text[max(0, match.start() - 5) : match.start()]
        return _judge_run(match.group(), before, text[match.end() : match.end() + 12])

    return _RUN.sub(judge, text)


def mask_runs(text: str, placeholder: str, fewest_digits: int) -> str:
    """Mask every run of at least ``fewest_digits`` (six or more), whatever it may be."""
    return _RUN.sub(lambda match: placeholder if len(_digits(match.group())) >= fewest_digits else match.group(), text)


def _mask_cards_of(run: str) -> str:
    if _CARD_OF_ANY_GROUPS.fullmatch(run) and _is_card(run):
        return CARD
    masked, done, start = "", 0, 0
    # A number that is no card may overlap one that is: "2024 4111 1111 1111 1111".
    while found := _CARD.search(run, start):
        start = found.start() + 1
        if _is_card(found.group()):
            masked += run[done : found.start()] + CARD
            done = start = found.end()
    return masked + run[done:]


def _is_card(number: str) -> bool:
    from stdnum import luhn

    return bool(luhn.is_valid(_digits(number)))


def _judge_run(run: str, before: str, after: str) -> str:
    start, end = 0, len(run)
    if _MONEY_BEFORE.search(before) and (price := _FIRST_NUMBER.match(run)):
        start = price.end()
    if _MONEY_AFTER.match(after) and (price := _LAST_NUMBER.search(run, start)):
        end = price.start()
    parts = _DATE.split(run[start:end])
    is_counted = bool(_UNIT_AFTER.match(after))
    judged = [
        part if at % 2 else _judge_part(part, is_counted and at == len(parts) - 1) for at, part in enumerate(parts)
    ]
    return run[:start] + "".join(judged) + run[end:]


def _judge_part(part: str, is_counted: bool) -> str:
    number = part.strip(_SEPARATORS)
    if len(_digits(number)) < 6 or _is_quantity(number, is_counted):
        return part
    at = part.index(number)
    return part[:at] + _mask_number(number) + part[at + len(number) :]


def _is_quantity(number: str, is_counted: bool) -> bool:
    if _YEARS.fullmatch(number):
        return True
    if _AMOUNT.fullmatch(number):
        return is_counted or not _SPANISH_PHONE.fullmatch(number)
    return is_counted and (len(_digits(number)) <= MOST_COUNTED_DIGITS or bool(_ROUND.fullmatch(number)))


def _mask_number(number: str) -> str:
    if _SPACED_SSN.fullmatch(number):
        return ID
    if _is_phone(number):
        return PHONE
    return _LONG_RUN.sub(ID, _PHONE_SHAPE.sub(PHONE, number))


def _is_phone(number: str) -> bool:
    import phonenumbers

    is_international = number.lstrip("(").startswith("+")
    if not is_international and not 9 <= len(_digits(number)) <= 15:
        return False  # no plan of these regions has such a number, and asking takes the library long
    regions: tuple[str | None, ...] = (None,) if is_international else PHONE_REGIONS
    for region in regions:
        try:
            parsed = phonenumbers.parse(number, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(parsed):
            return True
    return False


def _digits(number: str) -> str:
    return _NO_DIGITS.sub("", number)
