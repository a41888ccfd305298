"""No call of the agent ever sees an exception of ours."""

import functools
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from ml_pipeline.errors import PipelineError
from ml_pipeline.online.counts import QUIET_SECONDS

log = logging.getLogger(__name__)

_said_at = -QUIET_SECONDS

P = ParamSpec("P")
R = TypeVar("R")


class Failing(Protocol):
    def call_failed(self, where: str) -> None:
        """Count that a call failed inside."""


S = TypeVar("S", bound=Failing)
Call = Callable[Concatenate[S, P], Awaitable[R]]


def harmless(otherwise: Callable[..., R]) -> Callable[[Call[S, P, R]], Call[S, P, R]]:
    """Make a method return ``otherwise(*arguments)`` where it fails; counted, and said once a minute."""

    def guard(method: Call[S, P, R]) -> Call[S, P, R]:
        @functools.wraps(method)
        async def call(self: S, /, *arguments: P.args, **named: P.kwargs) -> R:
            try:
                return await method(self, *arguments, **named)
            except Exception as error:  # noqa: BLE001 - a live call must survive whatever is wrong in here
                _tell(self, method.__name__, error)
                return otherwise(*arguments, **named)

        return call

    return guard


def nothing(*_: Any, **__: Any) -> Any:
    return None


def _tell(service: Failing, call: str, error: Exception) -> None:
    # The kind of error and its place; no message and no values, for they may hold what a customer said.
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    line = f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}" if place else "?"
    try:
        service.call_failed(f"{call} {type(error).__name__} {line}")
    except Exception as second:  # noqa: BLE001 - counting must not bring down what it counts
        _say_uncounted(call, second)


def _say_uncounted(call: str, error: Exception) -> None:
    """Tell of a failure that cannot even be counted, such as settings that cannot be read; once a minute."""
    global _said_at  # noqa: PLW0603 - one clock for the process
    if time.monotonic() - _said_at >= QUIET_SECONDS:
        _said_at = time.monotonic()
        told = str(error) if isinstance(error, PipelineError) else type(error).__name__
        log.error("online.cannot_work call=%s error=%s", call, told)
