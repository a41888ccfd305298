"""Tells Spanish from English by the function words a customer has said so far."""

from dataclasses import dataclass

from ml_pipeline.online.redaction.said import read_words, words

FEWEST_WORDS = 4
SURE = 0.9
MOST_CHARACTERS = 2_000
"""Of one turn; more would tell nothing new."""

_ENGLISH = words(
    """
    the and you i'm it's is are was were of to for with that this have has what how much does do don't would could
    can't your my we they it i not but from be if about at there will yes please thanks it'll you're when which
    """
)
_SPANISH = words(
    """
    el la los las de que y en un una es por con para lo como pero mi su tu esta estoy tengo quiero puede cuanto
    muy ya se le te al del si eso esto gracias hola donde cuando porque yo soy usted ustedes hay son mas nada todo
    """
)


@dataclass(slots=True)
class LanguageCount:
    """Function words of each language heard in one conversation; once sure, it stays so."""

    english: int = 0
    spanish: int = 0
    language: str = ""
    """"en", "es"; "" until sure."""

    @property
    def confidence(self) -> float:
        """Share of the words heard that are the language's, drawn a little to a half."""
        return (max(self.english, self.spanish) + 0.5) / (self.english + self.spanish + 1)

    def hear(self, text: str) -> None:
        """Count the words of one more turn of the customer.

        >>> count = LanguageCount()
        >>> count.hear("hola quiero saber cuánto cuesta para mi empresa")
        >>> count.language, round(count.confidence, 2)
        ('es', 0.92)
        """
        if self.language:
            return
        heard = [word.plain for word in read_words(text[:MOST_CHARACTERS]).words]
        self.english += sum(word in _ENGLISH for word in heard)
        self.spanish += sum(word in _SPANISH for word in heard)
        if self.english + self.spanish >= FEWEST_WORDS and self.confidence >= SURE:
            self.language = "en" if self.english > self.spanish else "es"
