"""One turn: records what is new of a conversation and what was predicted on it, and answers with who serves."""

from typing import Any

from ml_pipeline.online.capture import Capture
from ml_pipeline.online.policy.arms import arms_of
from ml_pipeline.online.predicting.moments import Moment
from ml_pipeline.online.predicting.predictions import Predictions, Served
from ml_pipeline.online.predicting.shapes import find_section, is_failure
from ml_pipeline.online.session import Session
from ml_pipeline.vocabulary.events import ANSWER


def answer_turn(
    session: Session, where: str, conversation_id: Any, messages: Any, context: Any, given: Any
) -> dict[str, Any]:
    """Answer the call ``where``, whose predictions are ``given``."""
    capture = session.capture(where)
    conversation = session.conversation(capture, conversation_id)
    given = {} if given is None else given
    if conversation is None:
        return turn_answer(Served(given))
    known = capture.context(context, conversation)
    turn = max(0, capture.turns(conversation, messages))
    at = conversation.turns[turn].at if turn < len(conversation.turns) else capture.now
    moment = Moment(conversation, turn, at, known.spoken_in(conversation.acquaintance.language))
    predictions = Predictions(capture, moment, session.settings.tasks)
    served = predictions.answer(given)
    conversation.served.update({task: (served.served_by[task], answer) for task, answer in served.answers.items()})
    _keep_rest(capture, moment, given, session)
    return turn_answer(served, predictions.tracking_id, arms_of(capture, conversation))


def unchanged(*arguments: Any, **named: Any) -> dict[str, Any]:
    """The answer when we cannot answer: what the caller predicted, untouched."""
    position = 3
    given = named.get("predictions", named.get("existing_predictions"))
    if given is None and len(arguments) > position:
        given = arguments[position]
    return turn_answer(Served({} if given is None else given))


def turn_answer(served: Served, tracking_id: str | None = None, arms: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "predictions": served.predictions,
        "tracking_id": tracking_id,
        "ab_variants": arms or {},
        "confidence_scores": {task: answer.confidence for task, answer in served.answers.items()},
        "served_by": served.served_by,
        **({"flags": served.flags} if served.flags else {}),
    }


def _keep_rest(capture: Capture, moment: Moment, given: Any, session: Session) -> None:
    """Record, once a turn, what the caller's predictions hold beside the tasks, such as recommended actions."""
    fields = capture.fields(given)
    conversation, name = moment.conversation, f"{ANSWER} {moment.turn}"
    taken = {find_section(fields, task) for task in session.settings.tasks}
    rest = {key: value for key, value in fields.items() if key not in taken}
    if not rest or is_failure(fields) or conversation.known_event(name):
        return
    plain = capture.plain(rest, conversation)
    if plain is None:
        return
    data = {"turn": moment.turn, "rest": plain}
    if event := capture.emit(conversation, ANSWER, data, moment.at, (conversation.uuid, moment.turn)):
        conversation.remember_event(name, event)
    actions = plain.get("recommended_actions")
    conversation.recommended_actions = actions if isinstance(actions, list) else []
