"""``make torture``: rounds one after another, a line each; ends with 1 where a rule was broken."""

import argparse
import sys
import time
from collections import Counter

from tests.torture.chamber import play
from tests.torture.checker import Evidence, violations
from tests.torture.plan import Plan, draw
from tests.torture.stand import Stand, stand
from tests.torture.waiting import StuckError


def main() -> int:
    parser = argparse.ArgumentParser(prog="make torture")
    parser.add_argument("--seed", type=int, default=100, help="of the first round; the others follow")
    parser.add_argument("--rounds", type=int, default=300)
    given = parser.parse_args()
    began = time.monotonic()
    sums: Counter[str] = Counter()
    with stand() as server:
        for seed in range(given.seed, given.seed + given.rounds):
            sums += _tell_round(server, draw(seed))
    wrong = sums["violations"]
    _say(
        f"{given.rounds} rounds in {time.monotonic() - began:.0f} s: {sums['told']} ids told, {sums['rows']} stored, "
        f"{sums['duplicate']} duplicate, {sums['rejected']} rejected, {sums['refused']} refused, "
        f"{sums['quarantined']} quarantined, {sums['dropped']} dropped; {wrong} violations"
    )
    return 1 if wrong else 0


def _tell_round(server: Stand, plan: Plan) -> Counter[str]:
    began = time.monotonic()
    try:
        seen = play(server, plan)
    except StuckError as error:
        _say(f"{plan.seed:5d} STUCK {plan}\n      {error}")
        return Counter(violations=1)
    wrong = violations(seen)
    sums = _sums(seen)
    _say(
        f"{plan.seed:5d} {'BROKEN' if wrong else 'held'} {time.monotonic() - began:4.1f} s "
        f"told {sums['told']} stored {sums['rows']} {plan}"
    )
    for rule in wrong:
        _say(f"      {rule}")
    return sums + Counter(violations=len(wrong))


def _sums(seen: Evidence) -> Counter[str]:
    names = ("duplicate", "rejected", "refused", "quarantined", "dropped")
    return Counter(
        told=sum(offer.told is not None for offer in seen.offers),
        rows=len(seen.rows),
        **{name: sum(getattr(writer, name) for writer in seen.writers) for name in names},
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
