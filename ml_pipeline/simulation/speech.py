"""Turns what is meant into what is heard: templates, slots, fillers, and the noise of speech recognition."""

import random
import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

SLOT = re.compile(r"\{(\w+)\}")
CARD = "4111 1111 1111 1111"  # the well-known test number

DROP, REPEAT, MISHEAR, FILL = 0.03, 0.02, 0.12, 0.05
"""Chances per word that recognition loses it, hears it twice, takes it for another, or hears a filler before it."""


@cache
def phrases(language: str) -> Mapping[str, Any]:
    """Return everything that can be said in ``language``."""
    text = (files("ml_pipeline.simulation") / "phrases" / f"{language}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


class Speaker:
    """Says things in one language to one customer; ``known`` are the slots this call has fixed."""

    def __init__(self, language: str, known: Mapping[str, str], rng: random.Random) -> None:
        self._phrases = phrases(language)
        self._known = known
        self._rng = rng

    def agent(self, *topics: str) -> str:
        """Return clean sentences: the agent's words are text, not recognised speech."""
        said = " ".join(self._say("agent", topic) for topic in topics)
        return said[:1].upper() + said[1:]

    def customer(self, *parts: Sequence[str]) -> str:
        """Return recognised speech of ``parts``, each a path into the phrases; contacts come through undamaged."""
        heard = [self._say(*part) if part[0] == "contact" else self._heard(self._meant(*part)) for part in parts]
        return " ".join(part for part in heard if part)

    def _meant(self, kind: str, *rest: str) -> str:
        if kind != "reported":
            return self._say(kind, *rest)
        manner = self._rng.choice(("direct", "indirect"))
        return f"{self._say('pretext', 'reported')} {self._say('objection', *rest, manner)}"

    def _say(self, *path: str) -> str:
        options: Any = self._phrases
        for key in path:
            options = options[key]
        template: str = self._rng.choice(options)
        return SLOT.sub(lambda match: self._fill(match[1]), template)

    def _fill(self, slot: str) -> str:
        options: Sequence[str] = self._phrases["slots"].get(slot, ())
        return self._known[slot] if slot in self._known else self._rng.choice(options)

    def _heard(self, said: str) -> str:
        words: list[str] = []
        for word in said.lower().split():
            if self._rng.random() < FILL:
                words.append(self._rng.choice(self._phrases["fillers"]))
            chance = self._rng.random()
            if chance < DROP:
                continue
            words.append(self._misheard(word))
            if chance > 1 - REPEAT:
                words.append(words[-1])
        return " ".join(words)

    def _misheard(self, word: str) -> str:
        instead: str | None = self._phrases["misheard"].get(word)
        return instead if instead and self._rng.random() < MISHEAR else word
