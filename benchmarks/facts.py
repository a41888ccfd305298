"""``make bench-facts``: what it costs to turn the log into facts and figures, and how right the figures are.

Names of groups as arguments run those alone.
"""

import sys
from collections.abc import Callable, Iterator

from benchmarks import (
    facts_acts,
    facts_ledger,
    facts_maturity,
    facts_projection,
    facts_quality,
    facts_rollup,
    facts_trends,
)
from benchmarks.claims import Claim, write

GROUPS: dict[str, Callable[[], Iterator[Claim]]] = {
    "acts": facts_acts.claims,
    "ledger": facts_ledger.claims,
    "maturity": facts_maturity.claims,
    "projection": facts_projection.claims,
    "quality": facts_quality.claims,
    "rollup": facts_rollup.claims,
    "trends": facts_trends.claims,
}


def main(names: list[str]) -> None:
    write("-".join(("facts", *names)), (claim for name in names or GROUPS for claim in GROUPS[name]()))


if __name__ == "__main__":
    main(sys.argv[1:])
