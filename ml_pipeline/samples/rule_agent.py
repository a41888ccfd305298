"""The agent of a replay: plain keyword rules, so that a source without predictions of its own still has a caller.

It is what a team has before it has a model: a phrase heard, a fixed confidence. It sees words and phase, never a label
or an outcome.
"""

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache

from ml_pipeline.vocabulary.tasks import Task, TaskKind

Probabilities = dict[str, float]

HEARD, SILENT = 0.7, 0.1
"""What a rule answers when its phrase was heard in the last customer turn, and when not. Both are guesses."""

# English and Spanish phrases by task and label, as regular expressions on lower-case text.
PHRASES: Mapping[str, Mapping[str, str]] = {
    "objection": {
        "price": r"expensive|afford|too much money|lot of money|budget|caro|dinero|precio|cuesta mucho",
        "need": r"(do not|don't) (really )?need|no use|not for me|no (lo )?necesito|estoy bien",
        "urgency": r"no time|not the (right )?(moment|time)|later|no tengo tiempo|no es el momento|más adelante|prisa",
        "trust": r"scam|trust|legit|sure it works|convinced|estafa|fío|confianza|convencid",
        "features": r"missing|does not have|doesn't have|is that all|le falta|no tiene|eso es todo",
        "competition": r"compet|another (company|one)|other (company|option)|otra empresa|otro sitio|ya estoy con",
        "disagreement": r"(not|n't) (want to |going to |be able to )?(donate|give)|no,? thank|afford",
        "negative_reaction": r"not sure|scam|don't trust|waste|hesitant|rather|skeptical|unfortunately|can't",
        "neutral_reaction": r"maybe|think about|not right now|look into|i'll consider|have to see|possibly",
    },
    "needs": {
        "information": r"how (does|do) it work|tell me|more about|what happens|cómo funciona|me puede contar|explíque",
        "pricing": r"how much|cost|pay|tier|price|cuánto|costar|pagar|niveles|precio",
        "features": r"include|how often|what about|incluye|cada cuánto|qué hay de",
        "support": r"help|call when|weekend|coach|stuck|ayuda|a quién llamo|fines de semana|atasco",
        "integration": r"connect|talk to|sync|keep using|conecta|seguir usando|encaja",
        "roi": r"worth|results|numbers|after three months|vale la pena|resultados|números|después de tres meses",
        "small-talk": r"how are you|hello|\bhi\b|hey|nice|great day|have fun|camping|weather|trip",
        "self-need": r"\bi (really )?need|i will need|we need|my (family|kids|wife|husband|son|daughter)|i don't have",
        "other-need": r"(he|she|they|kids?|children|family|dog|baby|wife|husband) (really )?(need|get|will)",
        "no-need": r"(don't|do not) (really )?need|have (plenty|enough)|already have|you can have|extra",
        "elicit-pref": r"what (do|would|are) you|which (item|one)|what is your|do you (need|prefer|want)|preference",
        "uv-part": r"you (don't|do not|won't|already) (need|have)|do you really|why do you|you can (find|get|use)",
        "vouch-fair": r"fair|even|equal|half|deserve|greedy|balanced|reasonable",
        "promote-coordination": r"deal|work (something )?out|compromise|we (can|could|both)|agree|trade|each other",
        "showing-empathy": r"sorry|understand|that sounds|hope|poor|feel|i see|happy to hear",
    },
    "valued_item": {
        "food": r"food|hungry|eat|meal|snack",
        "water": r"water|thirst|drink",
        "firewood": r"wood|fire|cold|warm",
    },
}
AGREES = r"\b(yes|sure|okay|ok|great|sounds good|love|happy to|of course|deal|perfect|sí|claro|vale|perfecto|genial)\b"
REFUSES = r"\b(no|not|never|can't|cannot|won't|don't|expensive|later|maybe|nunca|tampoco|caro|luego|quizás)\b"
LATE_PHASES = {"negotiation": 0.2, "closing": 0.4, "follow_up": 0.2, "objection_handling": -0.3}


class RuleAgent:
    """Answers the multi-label and binary tasks of a source by rules."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tuple(tasks)

    def answer(self, turns: Sequence[tuple[str, str]], phase: str = "") -> dict[str, Probabilities]:
        """Return per task a probability for every label, from ``turns``: ``(role, content)`` up to the customer's last.

        A label without rules, and any label in silence, gets the same low constant.
        """
        said = [content.lower() for role, content in turns if role == "user"]
        return {
            task.name: {task.labels[0]: _sale(said, phase)} if task.kind is TaskKind.BINARY else _labels(task, said)
            for task in self._tasks
        }


def _labels(task: Task, said: Sequence[str]) -> Probabilities:
    # One label of a conversation stays true once heard; a label of a turn is about that turn.
    heard_in = " ".join(said) if task.scope == "conversation" else said[-1] if said else ""
    rules = PHRASES.get(task.name, {})
    return {
        label: HEARD if label in rules and _pattern(rules[label]).search(heard_in) else SILENT for label in task.labels
    }


def _sale(said: Sequence[str], phase: str) -> float:
    """Return a chance that rises with every word of agreement, falls with every refusal, and knows the late phases."""
    yes = sum(len(_pattern(AGREES).findall(words)) for words in said)
    no = sum(len(_pattern(REFUSES).findall(words)) for words in said)
    score = -0.4 + 0.25 * yes - 0.3 * no + LATE_PHASES.get(phase, 0.0)
    return round(1 / (1 + math.exp(-max(-3.0, min(3.0, score)))), 4)


@cache
def _pattern(phrases: str) -> re.Pattern[str]:
    return re.compile(phrases)
