"""Who answers: the caller's predictions and ours, recorded side by side, one of them served per task."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ml_pipeline.online.capture import Capture
from ml_pipeline.online.conversations import Reported
from ml_pipeline.online.ids import event_id
from ml_pipeline.online.policy.document import Model
from ml_pipeline.online.policy.routes import likely_route, route_of
from ml_pipeline.online.policy.routing import Route
from ml_pipeline.online.predicting.features import REVISION, FeatureRow, feature_digest
from ml_pipeline.online.predicting.moments import Moment
from ml_pipeline.online.predicting.reshape import replace_answer
from ml_pipeline.online.predicting.shapes import FALLBACK, Answer, find_section, is_failure, read_section
from ml_pipeline.vocabulary.events import PREDICTION
from ml_pipeline.vocabulary.tasks import CALLER, Task


@dataclass(slots=True)
class Served:
    """What goes back to the caller. ``answers``: what was served per task; ``routes``: who was to answer it.

    ``flags``: per task, why the model that should have answered did not.
    """

    predictions: Any
    served_by: dict[str, str] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    flags: dict[str, str] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)

    def serve(self, task: Task, answer: Answer, version: str, into: Mapping[str, Any] | None = None) -> None:
        """Let ``version`` answer ``task``; where that is not the caller, ``into`` his predictions."""
        if into is not None:
            self.predictions = replace_answer(into, task, answer)
        self.served_by[task.name], self.answers[task.name] = version, answer


@dataclass(frozen=True, slots=True)
class _Given:
    """An answer to record. ``digest`` of its features and ``latency_ms`` where it is ours, ``raw`` where the caller's.

    ``replaces``: the event in which the caller reported the same answer before its turn was known.
    ``flag``: why it stands in for the model that should have answered. ``propensity``: the chance it had of being
    served.
    """

    version: str
    answer: Answer
    is_served: bool = False
    digest: str | None = None
    latency_ms: float | None = None
    raw: Any = None
    replaces: str | None = None
    flag: str | None = None
    propensity: float = 1.0


class Predictions:
    """One call's answers for ``tasks`` under its policy; ours only while the setting ``predict_budget_ms`` lasts."""

    def __init__(self, capture: Capture, moment: Moment, tasks: tuple[Task, ...]) -> None:
        self._capture = capture
        self._moment = moment
        self._tasks = tasks
        self._policy = capture.policy
        self._activity = capture.runtime.activity
        self._budget_seconds = capture.runtime.settings.predict_budget_ms / 1000
        self._deadline = time.perf_counter() + self._budget_seconds
        self._failures: dict[str, str] = {}  # per version, why it gave no answer
        self.tracking_id = event_id(moment.at, "answer", moment.conversation.uuid, moment.turn)

    def answer(self, given: object) -> Served:
        """Record the caller's answers and ours; return ``given`` with the answers that the policy serves."""
        fields = self._capture.fields(given)
        has_failed = is_failure(fields)
        if has_failed:
            self.record_failure(None, given)
        callers = {} if has_failed else self._read_caller(fields)
        routes = {task.name: route_of(self._capture, self._moment.conversation, task) for task in self._tasks}
        ours = self._predict({route.version for route in routes.values()})
        served = Served(given, routes=routes)
        for task in self._tasks:
            route = routes[task.name]
            if mine := self._first_of(ours[task.name], route):
                served.serve(task, mine.answer, mine.version, self._capture.fields(served.predictions))
            elif task.name in callers:
                served.serve(task, callers[task.name], CALLER)
            if route.version in self._failures:
                served.flags[task.name] = self._failures[route.version]
            self._record_all(task, callers.get(task.name), fields, ours[task.name], served)
        self._activity.served.update(served.served_by.items())
        return served

    def report(self, task: Task, section: object, confidence: float | None) -> str | None:
        """Record a caller's answer to one task whose turn may not be known yet; return its event id."""
        answer = self._read(section, task, confidence)
        if answer is None:
            return self.record_failure(task, section)
        route = likely_route(self._capture, self._moment.conversation, task)
        running = {model.entry.version for model in self._policy.models_of(task.name, task.mode)}
        is_served = running.isdisjoint(route.chances)
        chance = route.chance(CALLER, is_served=is_served)
        event = self._record(task, _Given(CALLER, answer, is_served, raw=section, propensity=chance))
        if event and is_served:
            self._moment.conversation.served[task.name] = (CALLER, answer)
        if event and self._moment.is_guess:
            self._moment.conversation.reported[task.name] = Reported(self._moment.turn, answer.probabilities, event)
        return event

    def record_failure(self, task: Task | None, given: object) -> str | None:
        """Keep what a caller sent in place of a prediction: never scored, never trained on."""
        moment = self._moment
        raw = self._capture.plain(given, moment.conversation)
        if raw is None:
            return None
        data = {
            "turn": moment.turn,
            "task": task.name if task else None,
            "version": CALLER,
            "is_served": False,
            "tracking_id": self.tracking_id,
            "raw": raw,
        }
        if raw.get("error"):
            data["error"] = str(raw["error"])
        elif raw.get("prediction_type") == FALLBACK or raw.get("is_fallback"):
            data["is_fallback"] = True
        else:
            data["error"] = "unreadable_prediction"
        return self._capture.emit_once(moment.conversation, PREDICTION, data, moment.at)

    def _read_caller(self, fields: Mapping[str, Any]) -> dict[str, Answer]:
        found: dict[str, Answer] = {}
        for task in self._tasks:
            key = find_section(fields, task)
            if key is None:
                continue
            if is_failure(self._capture.fields(fields[key])):
                self.record_failure(task, fields[key])
            elif answer := self._read(fields[key], task):
                found[task.name] = answer
        return found

    def _read(self, section: object, task: Task, confidence: float | None = None) -> Answer | None:
        try:
            return read_section(section, task, self._capture.note, confidence)
        except Exception:  # noqa: BLE001 - a caller's object may fail in any way while it is read
            self._capture.note("unreadable_prediction")
            return None

    def _predict(self, acting: set[str]) -> dict[str, dict[str, _Given]]:
        """Return our answers per task and version; the ``acting`` versions are asked before those that run beside.

        Each of the two groups has the budget to itself: who runs beside takes nothing from an answer, and a pause of
        the host costs either as much, so that they can be compared.
        """
        ours: dict[str, dict[str, _Given]] = {task.name: {} for task in self._tasks}
        models = [model for task in self._tasks for model in self._policy.models_of(task.name, task.mode)]
        if not models:
            return ours
        row = self._moment.conversation.features(self._moment.turn, self._moment.context.features)
        digest, deadline = feature_digest(row), self._deadline
        for is_acting in (True, False):
            for model in models:
                version = model.entry.version
                if (version in acting) is is_acting and (given := self._run(model, row, digest, deadline)):
                    ours[model.entry.task][version] = given
            deadline = time.perf_counter() + self._budget_seconds
        return ours

    def _first_of(self, ours: dict[str, _Given], route: Route) -> _Given | None:
        """Return the answer of who is to give it; where that fails, another's that might have: the champion's."""
        if route.version in ours or route.version == CALLER:
            return ours.get(route.version)
        return next((given for version, given in ours.items() if version in route.chances), None)

    def _run(self, model: Model, row: FeatureRow, digest: str, deadline: float) -> _Given | None:
        """Return the model's answer; None, with the reason kept, where it fails or comes late."""
        version, started = model.entry.version, time.perf_counter()
        answer, reason = None, "prediction_over_budget"
        if started < deadline:
            try:
                answer = model.predictor.predict(row)
            except Exception:  # noqa: BLE001 - a failing model must not reach the call; the caller's answer stays
                reason = "prediction_failed"
        ended = time.perf_counter()
        if answer and ended <= deadline:
            return _Given(version, answer, digest=digest, latency_ms=(ended - started) * 1000)
        self._failures[version] = reason
        self._activity.predictor_failures += 1
        self._capture.note(reason)
        return None

    def _record_all(
        self,
        task: Task,
        callers: Answer | None,
        fields: Mapping[str, Any],
        ours: dict[str, _Given],
        served: Served,
    ) -> None:
        def kept(given: _Given) -> None:
            is_served = served.served_by.get(task.name) == given.version
            chance = served.routes[task.name].chance(given.version, is_served=is_served)
            flag = served.flags.get(task.name) if is_served else None
            self._record(task, replace(given, is_served=is_served, propensity=chance, flag=flag))

        if callers:
            raw = fields[str(find_section(fields, task))]
            kept(_Given(CALLER, callers, raw=raw, replaces=self._claim(task, callers)))
        for given in ours.values():
            kept(given)

    def _record(self, task: Task, given: _Given) -> str | None:
        """Record one answer, once per (conversation, turn, task, mode, version)."""
        moment = self._moment
        name = self._name(task, given.version, moment.turn)
        known = moment.conversation.predicted
        if name in known:
            return known[name]
        data = self._data(task, given)
        event = self._capture.emit(moment.conversation, PREDICTION, data, moment.at, name)
        if event:
            moment.conversation.remember_prediction(name, event)
            self._activity.predicted(task.name, given.version, given.latency_ms)
        return event

    def _data(self, task: Task, given: _Given) -> dict[str, Any]:
        moment, (epoch, n) = self._moment, self._policy.position
        data: dict[str, Any] = {
            "turn": moment.turn,
            "task": task.name,
            "mode": task.mode.value,
            "version": given.version,
            "probabilities": given.answer.probabilities,
            "labels": given.answer.labels,
            "is_served": given.is_served,
            "latency_ms": given.latency_ms,
            "propensity": given.propensity,
            "policy": {"epoch": epoch, "n": n},
            "context": moment.context.recorded(),
            "tracking_id": self.tracking_id,
        }
        if given.digest:
            data["feature_revision"] = REVISION
            data["feature_digest"] = given.digest
        if given.raw is not None:
            data["raw"] = self._capture.raw(given.raw, moment.conversation)
        if given.replaces:
            data["replaces"] = given.replaces
        if given.flag:
            data["flag"] = given.flag
        return data

    def _claim(self, task: Task, answer: Answer) -> str | None:
        """Return the event in which the caller reported this very answer for a wrongly guessed turn.

        Only the first call after a report can tell its turn. An answer to a turn that the agent has since spoken after
        is that turn's own, equal though it may be.
        """
        conversation, turn = self._moment.conversation, self._moment.turn
        reported = conversation.reported.pop(task.name, None)
        if reported is None or reported.turn == turn or reported.probabilities != answer.probabilities:
            return None
        known = conversation.predicted
        if self._name(task, CALLER, turn) in known or conversation.is_answered(reported.turn, turn):
            return None
        known.pop(self._name(task, CALLER, reported.turn), None)  # that turn's own answer is still to come
        return reported.event_id

    def _name(self, task: Task, version: str, turn: int) -> tuple[object, ...]:
        return (self._moment.conversation.uuid, turn, task.name, task.mode.value, version)
