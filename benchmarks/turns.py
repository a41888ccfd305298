"""An agent process with everything on: champions, experiments, redaction, spool, shipper. Prints what turns cost."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from benchmarks.agent import probe
from ml_pipeline import MLPipelineService
from ml_pipeline.samples.agent_shapes import nested
from ml_pipeline.samples.rule_agent import RuleAgent
from ml_pipeline.simulation.floor import simulated_source
from ml_pipeline.vocabulary.dialogue import Dialogue
from ml_pipeline.vocabulary.tasks import DEFAULT_TASKS

CHAMPIONS, EXPERIMENTS = 3, 4
PASSES = 6
CONVERSATIONS_OF_A_PASS = 30
PERIOD = 36
"""Messages after which a conversation says the same again: turn 40 is turn 4 with 36 messages more before it."""
MESSAGES = PERIOD + 8
TALKING = 200
TURN_EVERY_SECONDS = 5.0
TALK_SECONDS = 15.0


class Call(NamedTuple):
    """One turn's call: how long it took, and how long the processor was at it."""

    turn: int
    wall_ms: float
    cpu_ms: float


class Turns(msgspec.Struct):
    """``passes``: the calls of each pass. Lags as in ``agent.Talked``."""

    passes: list[list[Call]]
    idle_lag_ms: list[float]
    talk_lag_ms: list[float]


class Script:
    """What one conversation says, and what its agent's rules predict; all made before anything is timed."""

    def __init__(self, dialogue: Dialogue, more: Dialogue) -> None:
        said = [(message.role, message.content) for message in (*dialogue.messages, *more.messages)][:PERIOD]
        spoken = (said * 2)[:MESSAGES]
        agent = RuleAgent(DEFAULT_TASKS)
        self.context: dict[str, Any] = {**dialogue.context, "phase": "presentation"}
        self.messages = [{"role": role, "content": content} for role, content in spoken]
        self.answers = {
            turn: nested(agent.answer(spoken[: turn + 1]), DEFAULT_TASKS)
            for turn, (role, _) in enumerate(spoken)
            if role == "user"
        }

    def turn_from(self, turn: int) -> int:
        """Return the customer's next turn from ``turn`` on."""
        return min((known for known in self.answers if known >= turn), default=min(self.answers))


async def main() -> None:
    dialogues = [each for each in simulated_source(seed=2, conversations=400).dialogues if len(each.messages) > 18]
    scripts = [Script(one, more) for one, more in zip(dialogues[::2], dialogues[1::2], strict=False)]
    async with MLPipelineService() as service:
        await _wait_for_policy(service, scripts[0])
        idle = await probe(TALK_SECONDS / 3)
        passes = [await _pass(service, scripts, str(number)) for number in range(PASSES + 1)]
        talking = [asyncio.create_task(_talk(service, scripts, place)) for place in range(TALKING)]
        lag = await probe(TALK_SECONDS)
        for conversation in talking:
            conversation.cancel()
    print(msgspec.json.encode(Turns(passes[1:], sorted(idle), sorted(lag))).decode())  # the first pass warms up


async def _wait_for_policy(service: MLPipelineService, script: Script) -> None:
    """Wait until a turn is answered by our models and has an arm of every experiment."""
    deadline = time.monotonic() + 30
    while True:
        answer = await _say(service, f"waiting-{time.monotonic()}", script, script.turn_from(0))
        ours = [version for version in answer["served_by"].values() if version != "caller"]
        if (len(ours), len(answer["ab_variants"])) == (CHAMPIONS, EXPERIMENTS):
            return
        assert time.monotonic() < deadline, f"the policy did not come: {answer['served_by']}, {answer['ab_variants']}"
        await asyncio.sleep(0.1)


async def _pass(service: MLPipelineService, scripts: Sequence[Script], name: str) -> list[Call]:
    """Let conversations talk, each a turn behind the one before it, so that turn 4 and turn 40 share the machine."""
    calls = []
    for step in range(MESSAGES + CONVERSATIONS_OF_A_PASS):
        for place, script in enumerate(scripts[:CONVERSATIONS_OF_A_PASS]):
            if (turn := step - place) in script.answers:
                wall, cpu = time.perf_counter(), time.thread_time()
                await _say(service, f"pass-{name}-{place}", script, turn)
                calls.append(Call(turn, 1000 * (time.perf_counter() - wall), 1000 * (time.thread_time() - cpu)))
    return calls


async def _talk(service: MLPipelineService, scripts: Sequence[Script], place: int) -> None:
    script, turn = scripts[place % len(scripts)], 0
    await asyncio.sleep(TURN_EVERY_SECONDS * place / TALKING)
    while True:
        turn = script.turn_from(turn)
        await _say(service, f"talk-{place}", script, turn)
        turn += 1
        await asyncio.sleep(TURN_EVERY_SECONDS)


async def _say(service: MLPipelineService, conversation: str, script: Script, turn: int) -> dict[str, Any]:
    return await service.process_conversation_predictions(
        conversation, script.messages[: turn + 1], script.context, script.answers[turn]
    )


if __name__ == "__main__":
    asyncio.run(main())
