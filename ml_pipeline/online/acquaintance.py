"""What redaction learns of one conversation: names, language, what was asked for. In memory only, never recorded."""

from dataclasses import dataclass, field

from ml_pipeline.online.language import LanguageCount
from ml_pipeline.online.redaction import Hint, asked_for, introduced_names

MOST_NAMES = 16
MOST_WORDS_OF_NOD = 3


@dataclass(slots=True)
class Acquaintance:
    """``given_language``: the caller's own word for it, which wins over what is heard."""

    given_language: str = ""
    names: tuple[str, ...] = ()
    asked: str = ""
    heard: LanguageCount = field(default_factory=LanguageCount)

    @property
    def language(self) -> str:
        return self.given_language or self.heard.language

    def hint(self) -> Hint:
        """What is known for anything but a customer's answer."""
        return Hint(self.language, self.names)

    def answer_hint(self) -> Hint:
        """What is known for what the customer says next."""
        return Hint(self.language, self.names, self.asked)

    def meet(self, names: tuple[str, ...]) -> None:
        """Remember names, the earliest where there are too many."""
        if names:
            self.names = tuple(dict.fromkeys((*self.names, *names)))[:MOST_NAMES]

    def hear_agent(self, text: str) -> None:
        """Note what the agent asks for; a mere "go on" leaves the question open."""
        asked = asked_for(text)
        if asked or len(text.split()) > MOST_WORDS_OF_NOD:
            self.asked = asked

    def hear_customer(self, text: str) -> None:
        self.heard.hear(text)
        self.meet(introduced_names(text))
