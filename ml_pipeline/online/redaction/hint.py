"""What is known of a conversation beside the text, and the placeholders that take the place of what is masked."""

from dataclasses import dataclass
from typing import Literal

NAME = "<NAME>"
EMAIL = "<EMAIL>"
PHONE = "<PHONE>"
CARD = "<CARD>"
ID = "<ID>"
ADDRESS = "<ADDRESS>"
BIRTH_DATE = "<BIRTH_DATE>"
NUMBER = "<NUMBER>"

Asked = Literal["", "name", "email", "number", "address", "birth_date"]
"""What the agent's last message asked the customer for; "number" is any of phone, card, identity or account."""


@dataclass(frozen=True, slots=True)
class Hint:
    """``language``: "es" or "en"; "" is unknown, and both are looked for. ``names``: the customer's, as given."""

    language: str = ""
    names: tuple[str, ...] = ()
    asked: str = ""


NO_HINT = Hint()
