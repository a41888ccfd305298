"""What is known of a conversation beside the text, and the placeholders that take the place of what is masked."""

from dataclasses import dataclass

NAME = "<NAME>"
EMAIL = "<EMAIL>"
PHONE = "<PHONE>"
CARD = "<CARD>"
ID = "<ID>"
ADDRESS = "<ADDRESS>"
BIRTH_DATE = "<BIRTH_DATE>"
NUMBER = "<NUMBER>"


@dataclass(frozen=True, slots=True)
class Hint:
    """``language``: "es" or "en"; "" is unknown. ``names``: the customer's, as given.

    ``asked``: what the agent's last message asked for; see ``questions.asked_for``.
    """

    language: str = ""
    names: tuple[str, ...] = ()
    asked: str = ""


NO_HINT = Hint()
