import time
from collections.abc import Callable


class StuckError(Exception):
    """Something that always ends did not."""


def wait_until(condition: Callable[[], object], otherwise: str, seconds: float = 30.0) -> None:
    """Return once ``condition`` holds.

    Raises:
        StuckError: saying ``otherwise``, if it does not hold in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise StuckError(f"{otherwise} ({seconds:.0f} s)")
        time.sleep(0.05)
