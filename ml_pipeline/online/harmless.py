"""No call of the agent ever sees an exception of ours."""

import functools
import logging
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from ml_pipeline.errors import PipelineError
from ml_pipeline.online.recording.counts import QUIET_SECONDS
from ml_pipeline.online.session import Session

log = logging.getLogger(__name__)

_said_at = -QUIET_SECONDS

P = ParamSpec("P")
R = TypeVar("R")


class HasSession(Protocol):
    session: Session


S = TypeVar("S", bound=HasSession)
Call = Callable[Concatenate[S, P], Coroutine[Any, Any, R]]


def harmless(otherwise: Callable[..., R], *, is_loss: bool = False) -> Callable[[Call[S, P, R]], Call[S, P, R]]:
    """Make a method return ``otherwise(*arguments)`` where it fails; counted, and said once a minute.

    ``is_loss``: the method records, so a failure of it is an event refused. What is no ``Exception`` goes through: a
    cancelled call is cancelled.
    """

    def guard(method: Call[S, P, R]) -> Call[S, P, R]:
        @functools.wraps(method)
        async def call(self: S, /, *arguments: P.args, **named: P.kwargs) -> R:
            try:
                return await method(self, *arguments, **named)
            except Exception as error:  # noqa: BLE001 - a live call must survive whatever is wrong in here
                _tell(self.session, method.__name__, error, is_loss=is_loss)
                return otherwise(*arguments, **named)

        return call

    return guard


def nothing(*_: Any, **__: Any) -> Any:
    return None


def unread(shape: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Return what a read answers that failed inside: ``shape`` of nothing, degraded."""

    def otherwise(*_: Any, **__: Any) -> dict[str, Any]:
        return {**shape(), "status": "degraded", "reason": "the call failed inside or its arguments cannot be read"}

    return otherwise


def _tell(session: Session, call: str, error: Exception, *, is_loss: bool) -> None:
    # The kind of error and its place; no message and no values, for they may hold what a customer said.
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    line = f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}" if place else "?"
    try:
        session.call_failed(f"{call} {type(error).__name__} {line}", is_loss=is_loss)
    except Exception as second:  # noqa: BLE001 - counting must not bring down what it counts
        _say_uncounted(call, second)


def _say_uncounted(call: str, error: Exception) -> None:
    """Tell of a failure that cannot even be counted, such as settings that cannot be read; once a minute."""
    global _said_at  # noqa: PLW0603 - one clock for the process
    if time.monotonic() - _said_at >= QUIET_SECONDS:
        _said_at = time.monotonic()
        told = str(error) if isinstance(error, PipelineError) else type(error).__name__
        log.error("online.cannot_work call=%s error=%s", call, told)
