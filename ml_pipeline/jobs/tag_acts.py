"""Read what customers do in their turns, and derive labels of the lowest rank from it."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from ml_pipeline.acts import store
from ml_pipeline.acts.agent_events import Told
from ml_pipeline.acts.derived import label_lines
from ml_pipeline.acts.store import Hours, Read, ToRead
from ml_pipeline.acts.tagger import Tagger
from ml_pipeline.database.engine import Transaction, transaction
from ml_pipeline.settings import load_settings
from ml_pipeline.vocabulary.acts import Act, ActSource

log = logging.getLogger(__name__)

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
COUNTED = ("hours", "turns", "acts", "by_agent", "by_model", "by_rule", "unread", "labels")


def run(*, retag: bool = False) -> dict[str, int]:
    """Read the new turns of every changed hour that is trusted, one transaction per day.

    ``retag``: read all turns again that another tagger read. Returns ``hours`` taken, ``turns`` read, ``acts`` found in
    them and by whom, turns ``unread`` (in a language the tagger does not know), derived ``labels`` that are new in the
    log, and ``untrusted_hours`` left.
    """
    with transaction() as tx:
        tagger = Tagger(store.current_tagger(tx))
    counts = _tag_changed(tagger)
    if retag:
        counts += _tag_again(tagger)
    with transaction() as tx:
        waiting = store.untrusted_hours(tx)
    log.info("acts.tagged tagger=%s turns=%d labels=%d", tagger.version, counts["turns"], counts["labels"])
    return {name: counts[name] for name in COUNTED} | {"untrusted_hours": waiting}


def _tag_changed(tagger: Tagger) -> Counter[str]:
    counts: Counter[str] = Counter()
    while True:
        with transaction() as tx:
            store.lock(tx)
            taken, hours = store.take_hours(tx)
            if not taken:
                return counts
            counts["hours"] += taken
            counts += _tag(tx, tagger, hours) if hours else Counter()


def _tag_again(tagger: Tagger) -> Counter[str]:
    counts: Counter[str] = Counter()
    reached = BEGINNING
    while True:
        with transaction() as tx:
            store.lock(tx)
            hours = store.retag_hours(tx, tagger.version, reached)
            if hours is None:
                return counts
            counts += _tag(tx, tagger, hours, is_retag=True) + Counter(hours=len(hours.hours))
        # Turns that the tagger cannot read keep what another one read: going on by time ends all the same.
        reached = hours.hours[-1] + store.HOUR


def _tag(tx: Transaction, tagger: Tagger, hours: Hours, *, is_retag: bool = False) -> Counter[str]:
    telling = store.told(tx, hours)
    waiting = store.turns_to_read(tx, hours, telling, tagger.version, is_retag=is_retag)
    read = list(_read(tagger, waiting, telling))
    before = {turn.tagged.key: turn.before for turn in waiting}
    tasks = load_settings().tasks
    lines = [line for each in read for line in label_lines(each.tagged, before[each.tagged.key], tasks)]
    sources = Counter(reading.source for each in read for reading in each.readings.values())
    return Counter(
        turns=len(read),
        acts=store.replace_acts(tx, hours, read),
        by_agent=sources[ActSource.AGENT],
        by_model=sources[ActSource.MODEL],
        by_rule=sources[ActSource.RULE],
        unread=len(waiting) - len(read),
        labels=store.append(tx, lines),
    )


def _read(tagger: Tagger, waiting: Sequence[ToRead], telling: Sequence[Told]) -> Iterator[Read]:
    """Yield what each turn holds; turns that the tagger cannot read are left out."""
    told_of = defaultdict[tuple[str, int], list[Told]](list)
    for each in telling:
        told_of[each.key].append(each)
    for turn in waiting:
        acts, told_by = _joined(told_of[turn.tagged.key])
        readings = tagger.read(turn.said, acts)
        if readings is not None:
            yield Read(replace(turn.tagged, acts=frozenset(readings)), readings, told_by)


def _joined(telling: Sequence[Told]) -> tuple[dict[Act, float], dict[Act, str]]:
    """Return the acts told of a turn, the surest where one is told twice, and the event that tells each."""
    surest: dict[Act, tuple[float, str]] = {}
    for told in telling:
        for act, probability in told.acts.items():
            surest[act] = max(surest.get(act, (-1.0, "")), (probability, told.event_id))
    return ({act: sure for act, (sure, _) in surest.items()}, {act: event for act, (_, event) in surest.items()})
