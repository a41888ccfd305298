"""Gives conversations their arms and records each assignment once."""

from ml_pipeline.online.capture import Capture
from ml_pipeline.online.conversations import Conversation
from ml_pipeline.online.policy.assignment import Assignment, Experiment, assign
from ml_pipeline.online.policy.document import Policy
from ml_pipeline.vocabulary.events import ASSIGNMENT


def arms_of(capture: Capture, conversation: Conversation) -> dict[str, str]:
    """Return the conversation's arm of each experiment it takes part in, by the experiments' names.

    One that it is in none of has no entry, as has an experiment that ended: the agent does as it does without.
    """
    arms: dict[str, str] = {}
    for experiment in capture.policy.experiments:
        if arm := _arm(capture, conversation, experiment):
            arms[experiment.name] = arm
    return arms


def held_arms(conversation: Conversation, policy: Policy) -> dict[str, str]:
    """Return the recorded arms that the policy still offers, by the experiments' names."""
    return {
        experiment.name: arm.name
        for experiment in policy.experiments
        for arm in experiment.arms
        if conversation.arms.get(experiment.id) == arm.name
    }


def _arm(capture: Capture, conversation: Conversation, experiment: Experiment) -> str | None:
    """Return the arm held, drawn now where there is none or where it was taken out of the experiment."""
    held = conversation.arms.get(experiment.id)
    if held and any(arm.name == held for arm in experiment.arms):
        return held
    drawn = assign(experiment, conversation.uuid, conversation.about)
    if drawn is None:
        return None
    label = (experiment.id, experiment.name, experiment.reason)
    if held is None and record_assignment(capture, conversation, drawn, *label):
        conversation.arms[experiment.id] = drawn.arm
        capture.runtime.activity.assignments[experiment.name, drawn.arm] += 1
    return drawn.arm


def record_assignment(
    capture: Capture, conversation: Conversation, drawn: Assignment, experiment_id: str, experiment: str, reason: str
) -> str | None:
    """Record an assignment, dated when the conversation began, so that it is the same event in every process."""
    turns = conversation.turns
    epoch, n = capture.policy.position
    data = {
        "experiment": experiment,
        "experiment_id": experiment_id,
        "arm": drawn.arm,
        "unit": drawn.unit,
        "unit_id": drawn.unit_id,
        "propensity": drawn.propensity,
        "reason": reason,
        "turn": max(0, len(turns) - 1),
        "policy": {"epoch": epoch, "n": n},
    }
    at = turns[0].at if turns else capture.now
    return capture.emit(conversation, ASSIGNMENT, data, at, (conversation.uuid, experiment_id))
