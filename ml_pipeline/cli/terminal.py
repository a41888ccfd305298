import sys
from typing import Any

from rich.console import Console


def console(**options: Any) -> Console:
    """Return where commands print; ``options`` go to rich.

    A pipe has no width: there tables are as wide as they need.
    """
    return Console(width=None if sys.stdout.isatty() else 200, **options)
