"""Ends what a killed supervisor left behind. A process of its own, told of the supervisor's end by its standard input.

The supervisor holds the other end of that pipe and never writes: end of file means it is gone, however it went.
"""

import logging
import signal
import sys
from pathlib import Path

from ml_pipeline.stack.processes import end
from ml_pipeline.stack.state import State

log = logging.getLogger(__name__)


def clean_up(state: State) -> int:
    """End every process of the last start, Postgres last; return how many children were still recorded."""
    children = state.children()
    end(children)
    if server := state.postgres():
        server.stop()
    state.remember_children(())
    return len(children)


def main(root: str) -> None:
    """Wait for the supervisor's end, then clean up; a clean stop leaves nothing to do."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    state = State(Path(root).resolve())
    if state.root.exists() and (left := clean_up(state)):
        log.warning("guardian.cleaned children=%d", left)


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(message)s")
    main(sys.argv[1])
