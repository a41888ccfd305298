"""The words with which people introduce somebody, in English and Spanish."""

from typing import NamedTuple

from ml_pipeline.online.redaction.said import Said, words
from ml_pipeline.online.redaction.vocabulary import HESITATIONS

# What introduces a name and hardly anything else.
_SURE = (
    "me llamo|yo me llamo|mi nombre es|mi nombre completo es|mi nombre|nombre completo es|nombre completo|el nombre es"
    "|nombre es|a nombre de|al nombre de|de parte de|mis apellidos son|apellidos son|mi apellido es|apellido es"
    "|mi primer apellido es|mi segundo apellido es|apellidos|apellido|el titular es|la titular es|titular es|me dicen"
    "|todos me dicen|pregunte por|pregunta por|le saluda|te saluda|les saluda|le habla|te habla|le atiende|te atiende"
    "|my name is|my name's|name is|name's|names|my full name is|full name is|the name is|the name's|first name is"
    "|first name|last name is|last name's|last name|surname is|surname|maiden name is|middle name is|middle name"
    "|under the name|under the name of|in the name of|on behalf of|cardholder is|cardholder|everyone calls me"
    "|everybody calls me|people call me|they call me|you can call me|just call me|ask for|i go by|goes by"
    "|se llama|te llama|se llamaba|named|by the name of|account holder is|contact person is|attn"
    "|make it out to|made out to|registered to|a la atencion de|preguntar por|preguntas por|pregunten por"
    "|put it under|put that under|put me under|booked under|listed under|reservation under|appointment under"
    "|name was|nombre era|de apellido|nicknamed|le decimos|le dicen"
    "|mr|mrs|ms|mister|sr|sra|srta|senora|senorita|don|dona"
)
# What introduces a name or anything else: only what is known or written as a name counts behind it.
_DOUBTFUL = (
    "soy|yo soy|habla|aqui habla|aqui|con|es|i am|i'm|im|this is|it's|its|it is|call me|here is|i'm called|hi|hello"
    "|hola|gracias|thanks|thank you|senor|asking for|it's me|ponme|ponle|te hablo|tell|ask|dile a|avisale a|contesta"
    "|le contesta|llame a|digame|dime|talk to|talk with|talked to|speak to|speak with|spoke to|spoke with|reach|meet"
    "|transfer me to|connect me with|hable con|habla con|hablar con|hablo con|hablaron con|paseme con|pasame con"
    "|comuniqueme con|me atendio|responsable es|encargado es|encargada es|contacto es|contact is|owner is|manager is"
)
_OF_OTHERS = frozenset({"kin", "tell", "ask", "dile a", "avisale a", "contesta", "le contesta", "llame a"})
_SELF = frozenset({"soy", "yo soy", "aqui habla", "habla"})
_FILLING = HESITATIONS | frozenset({",", ":", "es", "is", "'"})
_ASKING = frozenset({"quien", "que", "como", "cual", "se", "no", "what", "who", "which", "not", "whose"})
KIN = words(
    """
    husband wife son daughter brother sister mom dad mother father friend partner boss nephew niece cousin uncle aunt
    boyfriend girlfriend fiance fiancee roommate neighbor assistant coworker colleague manager esposo esposa marido
    mujer hijo hija hermano hermana mama papa madre padre amigo amiga socio socia jefe jefa sobrino sobrina primo prima
    cunado cunada suegro suegra yerno nuera abuelo abuela tio tia nieto nieta vecino vecina novio novia companero
    companera
    """
)
"""Behind "my" and one of these a name may follow."""
TITLES = frozenset({"don", "dona"})
"""Belong to the name itself."""
OWNERS = words("my our his her their mi mis su sus tu nuestro nuestra el la un una")
CLOSERS = frozenset({"speaking", "calling", "here"})


def _by_first_word(phrases: str) -> dict[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = {}
    for phrase in sorted((phrase.split() for phrase in phrases.split("|")), key=len, reverse=True):
        found.setdefault(phrase[0], []).append(phrase)
    return found


_SURE_PHRASES, _DOUBTFUL_PHRASES = _by_first_word(_SURE), _by_first_word(_DOUBTFUL)
INTRODUCERS = frozenset({*_SURE_PHRASES, *_DOUBTFUL_PHRASES, *KIN, "speaking"})


class Introduction(NamedTuple):
    """A name is to start at word ``start``. ``is_sure``: nothing else follows such words."""

    start: int
    is_sure: bool
    phrase: str

    @property
    def tells_self(self) -> bool:
        return self.phrase in _SELF

    @property
    def tells_kin(self) -> bool:
        return self.phrase == "kin"

    @property
    def tells_other(self) -> bool:
        """Somebody else is spoken of, by a word that a person's name mostly follows."""
        return self.phrase in _OF_OTHERS

    @property
    def is_this(self) -> bool:
        return self.phrase == "this is"


def introduction_at(said: Said, at: int) -> Introduction | None:
    """Return the introduction that starts at word ``at``, the longest there is."""
    plains = said.plains
    for phrases, is_sure in ((_SURE_PHRASES, True), (_DOUBTFUL_PHRASES, False)):
        for phrase in phrases.get(plains[at], ()):
            end = at + len(phrase)
            if plains[at:end] == phrase and not _is_asked(said, at):
                return Introduction(_skip_filling(said, end), is_sure, " ".join(phrase))
    if plains[at] in KIN and at and plains[at - 1] in OWNERS:
        return Introduction(_skip_filling(said, at + 1), False, "kin")
    return None


def _is_asked(said: Said, at: int) -> bool:
    """Such as "¿quién habla?" introduces nobody."""
    return at > 0 and said.words[at - 1].plain in _ASKING


def _skip_filling(said: Said, at: int) -> int:
    limit = min(len(said.words), at + 4)
    while at < limit and said.words[at].plain in _FILLING:
        at += 1
    return at
