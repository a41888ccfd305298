"""``make bench-online``: what the online module costs a call, beside the libraries an agent could take instead.

Runs in the peers' environment on the stage of ``online_stage``. Names of groups as arguments run those alone.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import online_delivery, online_import, online_loop_lag, online_recording, online_turn
from benchmarks.claims import FOLDER, Claim, write
from benchmarks.contenders import Place
from benchmarks.sink import running_sink

GROUPS: dict[str, Callable[[Place], Iterator[Claim]]] = {
    "recording": online_recording.claims,
    "delivery": online_delivery.claims,
    "loop_lag": online_loop_lag.claims,
    "turn": online_turn.claims,
    "import": online_import.claims,
}


def main(names: list[str]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    # On the disk of the checkout, as a spool is; a shipper may still be at work there at the end.
    with (
        tempfile.TemporaryDirectory(dir=FOLDER, prefix="spools-", ignore_cleanup_errors=True) as folder,
        running_sink() as sink,
    ):
        place = Place(
            Path(folder).absolute(), sink, os.environ["BENCH_OWNER_DSN"], os.environ["ML_PIPELINE_CAPTURE_DSN"]
        )
        _use_defaults(place.folder)
        write("-".join(("online", *names)), (claim for name in names or GROUPS for claim in GROUPS[name](place)))


def _use_defaults(folder: Path) -> None:
    """See to it that this process and those it starts read no settings of a stack that is at work here."""
    settings = folder / "settings.toml"
    settings.touch()
    os.environ.update(
        ML_PIPELINE_SETTINGS=str(settings), ML_PIPELINE_CACHE=str(folder / "cache"), ML_PIPELINE_SHIPPER="none"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
