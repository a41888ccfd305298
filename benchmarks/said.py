"""What an agent of the benchmarks says: events of 1 kB, flat, so that every library takes them as they are."""

import random

Said = dict[str, str | int | float | bool]

EVENT_TYPE = "tool_called"
TEXT_CHARACTERS = 560
"""With it the encoded line of an event is 1,000 to 1,030 bytes long."""
_SENTENCES = (
    "I was wondering how much the premium plan is per month, because it feels expensive to me right now.",
    "Before I decide anything I would have to talk with my husband, he looks after these things at home.",
    "We tried something like this last year and it did not do much for us, to be honest with you.",
    "¿Y qué incluye exactamente el programa? Porque ya tengo un entrenador y un nutricionista.",
    "Me parece caro para lo que es, déjeme pensarlo y hablamos la semana que viene si le parece.",
    "That sounds good, and the first call with the coach would be on Tuesday morning then?",
    "How do I know that this is not one more of those offers that nobody can cancel afterwards?",
    "Perfecto, me interesa sobre todo la energía, porque por las tardes no puedo con mi alma.",
)


def said(number: int) -> Said:
    """Return the event ``number``: equal numbers, equal event."""
    draw = random.Random(number)
    text = " ".join(draw.sample(_SENTENCES, len(_SENTENCES)))
    return {
        "number": number,
        "text": text[:TEXT_CHARACTERS],
        "turn": draw.randrange(60),
        "phase": draw.choice(("exploration", "presentation", "negotiation")),
        "platform": "web",
        "channel": "voice",
        "emotion": draw.choice(("skeptical", "hopeful", "neutral")),
        "confidence": round(draw.random(), 4),
        "latency_ms": round(draw.uniform(20, 900), 2),
        "tokens": draw.randrange(2_000),
        "agent_version": "2026.3.11",
        "step": "handle_price",
        "tool": "crm_lookup",
        "is_final": draw.random() < 0.5,
    }
