"""The checker can fail: each rule broken on purpose is named, and a round in order is not blamed."""

from dataclasses import replace
from typing import Any

import pytest

from tests.torture.checker import Evidence, Figures, Offer, Rejected, Row, Writer, violations
from tests.torture.damage import Destroyed

WRITER = Writer(
    "w", offered=7, refused=1, accepted=6, stored=3, duplicate=0, rejected=1, quarantined=1, dropped=1, missing=0
)  # fmt: skip
IN_ORDER = Evidence(
    offers=(
        Offer(("seen a 1",), "id1"),
        Offer(("seen a 2",), "id2", is_rejected=True),
        Offer(("seen a 3",), "id3"),
        Offer(("seen a 4",), "id4"),
        Offer(("seen a 5",), None),
        Offer(("turn c 0", "turn c 1"), None, is_done=True),
    ),
    rows=(Row("id1", "w", 1, "seen a 1"), Row("id6", "w", 5, "turn c 0"), Row("id7", "w", 6, "turn c 1")),
    rejected=(Rejected("id2", "w", 2),),
    writers=(WRITER,),
    ledger=("id1", "id6", "id7"),
    destroyed=frozenset({Destroyed("id3", "w", 3)}),
    figures=(Figures("w", offered=7, accepted=6, refused=1),),
    may_drop=True,
    keeps_all=True,
)
"""One event stored, one rejected, one damaged, one dropped, one refused, and a call that became two turns."""


def with_writer(**figures: Any) -> Evidence:
    return replace(IN_ORDER, writers=(replace(WRITER, **figures),))


def with_row(row: Row) -> Evidence:
    """One row more, which the figures know of."""
    return replace(
        IN_ORDER,
        rows=(*IN_ORDER.rows, row),
        ledger=(*IN_ORDER.ledger, row.id),
        writers=(replace(WRITER, offered=8, accepted=7, stored=4),),
    )


def test_a_round_in_order_breaks_no_rule():
    assert violations(IN_ORDER) == []


BROKEN = {
    "a told id is hidden": (
        replace(IN_ORDER, rows=IN_ORDER.rows[1:], writers=(replace(WRITER, stored=2, duplicate=1),)),
        "lost: 2 told ids are nowhere and 1 were dropped, such as id1",
    ),
    "a told id is rejected instead of stored": (
        replace(IN_ORDER, offers=(replace(IN_ORDER.offers[1], is_rejected=False), *IN_ORDER.offers[2:])),
        "lost: 2 told ids",
    ),
    "one is missing and none was dropped": (
        replace(with_writer(dropped=0, duplicate=1), may_drop=False),
        "lost: 1 told ids are nowhere and 0 were dropped, such as id4",
    ),
    "a turn of a call that returned is missing": (
        replace(IN_ORDER, rows=IN_ORDER.rows[:2], writers=(replace(WRITER, stored=2, duplicate=1),)),
        "lost: 1 rows of calls that returned are nowhere, such as turn c 1",
    ),
    "an id stands twice": (with_row(Row("id1", "w", 7, "")), "one id stands twice"),
    "a sequence stands twice": (with_row(Row("id8", "w", 1, "")), "one writer and sequence stands twice"),
    "an event stands twice under two ids": (with_row(Row("id8", "w", 7, "turn c 0")), "one event stands twice"),
    "a row was never offered": (with_row(Row("id8", "w", 7, "seen a 9")), "never offered: 1 rows, such as seen a 9"),
    "an id was told for another event": (
        replace(
            IN_ORDER,
            offers=(Offer(("seen a 0",), "id1"), Offer(("seen a 1",), None), *IN_ORDER.offers[1:]),
        ),
        "mistaken: id1",
    ),
    "the projection is not told of a row": (replace(IN_ORDER, ledger=("id1", "id6")), "unledgered: 1 ids"),
    "the projection is told of a row twice": (replace(IN_ORDER, ledger=(*IN_ORDER.ledger, "id1")), "unledgered: 1 ids"),
    "offered is too high": (with_writer(offered=8), "offered is accepted + missing + refused"),
    "a refusal is not counted": (with_writer(refused=0), "offered is accepted + missing + refused"),
    "stored is doubled": (with_writer(stored=6), "accepted is what became of it"),
    "a stored one is called duplicate": (with_writer(stored=2, duplicate=1), "stored is its 3 rows"),
    "a rejected one is called duplicate": (with_writer(rejected=0, duplicate=1), "rejected is its 1 rows"),
    "a damaged one is called duplicate": (with_writer(quarantined=0, duplicate=1), "quarantined is the 1 to 1 hit"),
    "one more is quarantined than was hit": (with_writer(quarantined=2, dropped=0), "quarantined is the 1 to 1 hit"),
    "one is called missing that was not hit": (with_writer(offered=8, missing=1), "missing are at most the 0 hit"),
    "a writer is not known": (replace(IN_ORDER, writers=()), "no figures of ['w']"),
    "something is dropped that may not be": (replace(IN_ORDER, may_drop=False), "nothing is dropped"),
    "the agent's own figures do not add up": (
        replace(IN_ORDER, figures=(Figures("w", offered=7, accepted=6, refused=0),)),
        "the agent itself says",
    ),
    "the database knows of fewer than the agent": (
        replace(IN_ORDER, figures=(Figures("w", offered=8, accepted=7, refused=1),)),
        "disagreeing",
    ),
    "something was raised": (replace(IN_ORDER, raised=("a 1 ValueError()",)), "raised into the agent: a 1 ValueError"),
    "a file is left": (replace(IN_ORDER, left=("w-00000001.seg",)), "left in the spool: w-00000001.seg"),
}


@pytest.mark.parametrize(("seen", "said"), BROKEN.values(), ids=BROKEN)
def test_each_broken_rule_is_named(seen, said):
    wrong = violations(seen)

    assert any(said in rule for rule in wrong), wrong
