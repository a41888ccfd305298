"""What a run is to retrain: a task, on which conversations, for real or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ml_pipeline.errors import TrainingError
from ml_pipeline.models.names import model_name
from ml_pipeline.vocabulary.interval import Interval
from ml_pipeline.vocabulary.tasks import Task

ALL = "all"
LONG_AGO, FOREVER = datetime.min.replace(tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Order:
    """``start``, ``end``: only conversations that started in between teach and judge; None: no bound."""

    task: Task
    reason: str
    start: datetime | None = None
    end: datetime | None = None
    is_dry_run: bool = False

    @property
    def interval(self) -> Interval | None:
        """The bounds as an interval; None without any."""
        return Interval(self.start or LONG_AGO, self.end or FOREVER) if self.start or self.end else None


@dataclass(frozen=True, slots=True)
class Form:
    """What a person asks for: ``task`` is a name, with its mode or without, or all.

    Only conversations that started in ``[start, end)`` teach and judge, where bounds are given: times or ISO strings.
    """

    task: str = ALL
    reason: str = "asked for"
    start: datetime | str | None = None
    end: datetime | str | None = None
    dry_run: bool = False

    def orders(self, tasks: Sequence[Task]) -> list[Order]:
        """Return one order per task meant.

        Raises:
            TrainingError: if none is, or the bounds are no interval.
        """
        bounds = read_bounds(self.start, self.end)
        return [Order(task, self.reason, *bounds, is_dry_run=self.dry_run) for task in chosen(tasks, self.task)]


def chosen(tasks: Sequence[Task], name: str) -> list[Task]:
    """Return the tasks called ``name``.

    Raises:
        TrainingError: if none is, with those there are.
    """
    found = [task for task in tasks if name in (ALL, task.name, model_name(task))]
    if not found:
        known = ", ".join([ALL, *map(model_name, tasks)])
        raise TrainingError(f"no task {name!r}; choose one of {known}")
    return found


def read_bounds(start: datetime | str | None, end: datetime | str | None) -> tuple[datetime | None, datetime | None]:
    """Return the bounds as a person gave them: times or ISO strings, in UTC where they name no zone; "" is none.

    Raises:
        TrainingError: naming the bound that is no time, or both where they are the wrong way round.

    >>> read_bounds("2026-03-01", None)[0].isoformat()
    '2026-03-01T00:00:00+00:00'
    """
    bounds = _time("start", start), _time("end", end)
    if bounds[0] and bounds[1] and bounds[0] >= bounds[1]:
        raise TrainingError(f"the interval ends before it starts: {start} to {end}; give an end later than the start")
    return bounds


def _time(name: str, given: datetime | str | None) -> datetime | None:
    if given is None or given == "":
        return None
    try:
        at = given if isinstance(given, datetime) else datetime.fromisoformat(str(given))
    except ValueError as error:
        raise TrainingError(f"{name} = {given!r} is no time; give one like 2026-03-01 or 2026-03-01T08:00Z") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)
