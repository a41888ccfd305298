"""Reads what a customer does in a turn: what a model has learnt by the model, everything else by the rules."""

from collections.abc import Mapping
from dataclasses import dataclass

from ml_pipeline.acts.document import Head, TaggerDocument
from ml_pipeline.acts.rules import LANGUAGES, Rules
from ml_pipeline.online.language import LanguageCount
from ml_pipeline.online.predicting.bundle import decode
from ml_pipeline.online.predicting.features import FeatureRow, feature_row
from ml_pipeline.online.predicting.predictor import Predictor
from ml_pipeline.vocabulary.acts import Act, ActSource


@dataclass(frozen=True, slots=True)
class Said:
    """A customer turn: its text, the agent's last turn before it, the conversation's language ("" where unknown)."""

    text: str
    previous: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """Who says that an act is there, and how surely: rules do not weigh, and say 1."""

    source: ActSource
    probability: float = 1.0


BY_RULE = Reading(ActSource.RULE)

_PLACE = {act: place for place, act in enumerate(Act)}


class Tagger:
    """A document at work; equal documents read equal texts equally, for ever.

    Raises:
        BundleError: if a head of it cannot be run by this release.

    >>> from ml_pipeline.acts.document import rules_only
    >>> tagger = Tagger(rules_only())
    >>> readings = tagger.read(Said("how much is it ?", language="en"))
    >>> [f"{act} by {reading.source}" for act, reading in readings.items()]
    ['need_pricing by rule', 'question by rule', 'price_question by rule']
    >>> tagger.read(Said("combien ça coûte ?", language="fr")) is None
    True
    """

    def __init__(self, document: TaggerDocument) -> None:
        self.version = document.version
        self._rules = {language: Rules(known) for language, known in document.phrases.items()}
        self._heads = [_RunningHead(head) for head in document.heads]

    def read(self, said: Said, told: Mapping[Act, float] | None = None) -> dict[Act, Reading] | None:
        """Return the acts of a turn, ``OTHER`` where there are none; None if it does not know the language.

        ``told``: what the agent says is there; no other opinion is asked of these acts.
        """
        language = language_of(said)
        if language and language not in self._rules:
            return None
        found: dict[Act, Reading] = {}
        learnt: set[Act] = set()
        row = _row(said) if self._heads else {}
        for head in self._heads:
            acts = head.acts_in(language)
            found |= head.read(row, acts) if acts else {}
            learnt |= acts
        for each in [language] if language else LANGUAGES:
            found |= dict.fromkeys(self._rules[each].read(said.text) - learnt, BY_RULE)
        found |= {act: Reading(ActSource.AGENT, probability) for act, probability in (told or {}).items()}
        return {act: found[act] for act in sorted(found, key=_PLACE.__getitem__)} or {Act.OTHER: BY_RULE}


class _RunningHead:
    def __init__(self, head: Head) -> None:
        self._languages = head.languages
        self._predictor = Predictor(decode(head.bundle.encode(), head.bundle_digest))

    def acts_in(self, language: str) -> set[Act]:
        return {act for act, languages in self._languages.items() if language in languages}

    def read(self, row: FeatureRow, acts: set[Act]) -> dict[Act, Reading]:
        answer = self._predictor.predict(row)
        held = acts.intersection(map(Act, answer.labels))
        return {act: Reading(ActSource.MODEL, answer.probabilities[act]) for act in held}


def language_of(said: Said) -> str:
    """Return the language of a turn in two letters; "" where nobody knows it and the text alone does not tell."""
    if said.language:
        return said.language[:2].lower()
    count = LanguageCount()
    count.hear(said.text)
    return count.language


def _row(said: Said) -> FeatureRow:
    before = [("assistant", said.previous)] if said.previous else []
    return feature_row([*before, ("user", said.text)], {})
