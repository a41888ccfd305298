"""``make torture``: rounds one after another, a line each; ends with 1 where a rule was broken."""

import argparse
import signal
import sys
import time
from collections import Counter

from tests.torture.chamber import play
from tests.torture.checker import Evidence, violations
from tests.torture.plan import Plan, draw
from tests.torture.stand import Stand, stand
from tests.torture.waiting import StuckError

BECAME = ("stored", "duplicate", "rejected", "refused", "quarantined", "dropped", "missing")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make torture")
    parser.add_argument("--seed", type=int, default=100, help="of the first round; the others follow")
    parser.add_argument("--rounds", type=int, default=300)
    given = parser.parse_args()
    # Ended from outside, it still takes its server and agents along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    began = time.monotonic()
    sums: Counter[str] = Counter()
    with stand() as server:
        for seed in range(given.seed, given.seed + given.rounds):
            sums += _tell_round(server, draw(seed))
    wrong = sums["violations"]
    _say(f"{given.rounds} rounds, {sums['acts']} acts in {time.monotonic() - began:.0f} s: " + ", ".join(
        f"{sums[name]} {name}" for name in ("told", *BECAME)
    ))  # fmt: skip
    _say(f"{wrong} violations: {sums['lost']} of lost, {sums['doubled']} of doubled, {sums['stuck']} stuck")
    return 1 if wrong else 0


def _tell_round(server: Stand, plan: Plan) -> Counter[str]:
    began = time.monotonic()
    try:
        seen = play(server, plan)
    except StuckError as error:
        _say(f"{plan.seed:5d} STUCK {plan}\n      {error}")
        return Counter(violations=1, stuck=1)
    wrong = violations(seen)
    sums = _sums(seen)
    _say(
        f"{plan.seed:5d} {'BROKEN' if wrong else 'held'} {time.monotonic() - began:4.1f} s "
        f"{sums['told']} told, {sums['stored']} stored, {sums['quarantined'] + sums['dropped']} gone: {plan}"
    )
    for rule in wrong:
        _say(f"      {rule}")
    kinds = Counter(rule.split(":")[0] for rule in wrong)
    return sums + kinds + Counter(violations=len(wrong), acts=len(plan.acts))


def _sums(seen: Evidence) -> Counter[str]:
    became = {name: sum(getattr(writer, name) for writer in seen.writers) for name in BECAME}
    return Counter(told=sum(offer.told is not None for offer in seen.offers), **became)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
