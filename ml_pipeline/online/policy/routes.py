"""Keeps each conversation with who answers it, and records once where chance decided that."""

from ml_pipeline.online.capture import Capture
from ml_pipeline.online.conversations import Conversation
from ml_pipeline.online.policy.arms import record_assignment
from ml_pipeline.online.policy.routing import Route, is_kept, route
from ml_pipeline.vocabulary.tasks import Task

DRAWN = "drawn"


def likely_route(capture: Capture, conversation: Conversation, task: Task) -> Route:
    """Return who would answer the conversation now; nothing is kept of it."""
    held = conversation.routes.get((task.name, task.mode))
    entries = capture.policy.entries_of(task.name, task.mode)
    if held and is_kept(held, entries):
        return held
    return route(entries, conversation.uuid, conversation.about)


def route_of(capture: Capture, conversation: Conversation, task: Task) -> Route:
    """Return who answers the conversation from now on: who did before, for as long as that version answers anybody."""
    found = likely_route(capture, conversation, task)
    key = (task.name, task.mode)
    if found is not conversation.routes.get(key) and _is_recorded(capture, conversation, task, found):
        conversation.routes[key] = found
    return found


def _is_recorded(capture: Capture, conversation: Conversation, task: Task, found: Route) -> bool:
    if found.drawn is None:
        return True
    name = f"rollout {task.name}.{task.mode}"
    return bool(record_assignment(capture, conversation, found.drawn, found.rollout_id, name, DRAWN))
