"""Calls the online module as an agent would: the growing list of messages, its own answers, outcome, late truth."""

import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ml_pipeline.samples.agent_shapes import flat, nested, section
from ml_pipeline.samples.clock import ReplayClock
from ml_pipeline.samples.rule_agent import RuleAgent
from ml_pipeline.vocabulary.dialogue import Dialogue, LateLabel
from ml_pipeline.vocabulary.tasks import CONVERSION, OBJECTION, Task

log = logging.getLogger(__name__)

REPORTED_APART = (OBJECTION.name, CONVERSION.name)
"""Tasks whose answer the agent also reports by itself, before it hands all answers over."""


class Service(Protocol):
    """What a replay calls of the online module."""

    def track_prediction(
        self,
        conversation_id: str,
        prediction_type: str,
        predictions: Any,
        confidence_scores: Any = None,
        context: Any = None,
    ) -> Awaitable[Any]:
        """Record one answer."""

    def process_conversation_predictions(
        self, conversation_id: str, messages: Any, context: Any, predictions: Any = None
    ) -> Awaitable[Any]:
        """Record all answers of a turn and return what to act on."""

    def process_orchestrator_predictions(
        self, conversation_id: str, messages: Any, context: Any, existing_predictions: Any = None
    ) -> Awaitable[Any]:
        """Do the same for the orchestrator's shape."""

    def record_conversation_outcome(self, conversation_id: str, outcome: Any, metrics: Any) -> Awaitable[Any]:
        """Record how a conversation ended."""

    def record_feedback(  # noqa: PLR0913 - the online contract has them
        self,
        conversation_id: str,
        task: Any,
        labels: Any,
        source: Any,
        at: Any = None,
        *,
        turn: Any = None,
        value: Any = None,
        currency: Any = None,
    ) -> Awaitable[Any]:
        """Record truth that was learnt later."""


@dataclass(slots=True)
class ReplayReport:
    """What a replay did. ``raised``: calls that raised, which none ever should; ``served_by``: answers per version."""

    conversations: int = 0
    turns: int = 0
    predictions: int = 0
    outcomes: int = 0
    labels: int = 0
    malformed: int = 0
    raised: int = 0
    seconds: float = 0.0
    is_interrupted: bool = False
    served_by: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


class Player:
    def __init__(self, tasks: tuple[Task, ...], service: Service, clock: ReplayClock) -> None:
        self.report = ReplayReport()
        self._tasks = tasks
        self._agent = RuleAgent(tasks)
        self._service = service
        self._clock = clock
        self._sent: dict[str, list[dict[str, Any]]] = {}

    async def predict(self, dialogue: Dialogue, turn: int) -> None:
        """Play a customer turn: the agent answers, hands its answers over and gets back what to act on."""
        messages = self._messages_until(dialogue, turn)
        context = _context(dialogue, turn)
        answered = dialogue.predictions.get(turn)
        if answered is None:
            answered = await self._answer(dialogue, turn, context)
        if "recommended_actions" in answered:
            call = self._service.process_orchestrator_predictions(dialogue.conversation_id, messages, context, answered)
        else:
            call = self._service.process_conversation_predictions(dialogue.conversation_id, messages, context, answered)
        result = await self._safely(call)
        self.report.predictions += 1
        if isinstance(result, Mapping):
            for task, version in result.get("served_by", {}).items():
                self.report.served_by[task][version] += 1

    async def _answer(self, dialogue: Dialogue, turn: int, context: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the rule agent; every other customer turn it reports some answers apart and then nests them all."""
        said = [(message.role, message.content) for message in dialogue.messages[: turn + 1]]
        answers = self._agent.answer(said, context.get("phase", ""))
        if turn % 4 < 2:
            return flat(answers, self._tasks)
        where = {**context, "message_count": turn + 1}
        for task in self._tasks:
            if task.name in REPORTED_APART:
                own = section(answers[task.name], task)
                await self._safely(
                    self._service.track_prediction(dialogue.conversation_id, task.name, own, None, where)
                )
        return nested(answers, self._tasks)

    def _messages_until(self, dialogue: Dialogue, turn: int) -> list[dict[str, Any]]:
        """Return the growing list that the agent holds, its times shifted."""
        sent = self._sent.setdefault(dialogue.conversation_id, [])
        for message in dialogue.messages[len(sent) : turn + 1]:
            at = message.at + self._clock.shift
            sent.append({"role": message.role, "content": message.content, "timestamp": at.isoformat()})
            self.report.turns += 1
        return sent

    async def end(self, dialogue: Dialogue) -> None:
        """Record how the conversation ended."""
        self._sent.pop(dialogue.conversation_id, None)
        await self._safely(
            self._service.record_conversation_outcome(
                dialogue.conversation_id, dialogue.outcome, dict(dialogue.metrics)
            )
        )
        self.report.conversations += 1
        self.report.outcomes += 1

    async def feed_back(self, dialogue: Dialogue, label: LateLabel) -> None:
        """Record what was learnt later."""
        await self._safely(
            self._service.record_feedback(
                dialogue.conversation_id,
                label.task,
                list(label.labels),
                label.source,
                self._clock(),
                turn=label.turn,
                value=label.value,
                currency=label.currency,
            )
        )
        self.report.labels += 1

    async def _safely(self, call: Awaitable[Any]) -> Any:
        """Await a call of the service; one that raises breaks its promise, is counted, and stops nothing."""
        try:
            return await call
        except Exception as error:  # whatever it is, the next dialogue must still be played
            self.report.raised += 1
            log.exception("replay.call_raised error=%s", type(error).__name__)
            return None


def _context(dialogue: Dialogue, turn: int) -> dict[str, Any]:
    phase = {"phase": dialogue.phases[turn]} if dialogue.phases else {}
    return {**dialogue.context, **phase}
