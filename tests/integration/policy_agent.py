"""An agent in a process of its own that tells, a line each time it changes, what it obeys. ``deaf``: NOTIFY is lost.

Run as ``python -m tests.integration.policy_agent [deaf]``.
"""

import asyncio
import json
import sys

from ml_pipeline import MLPipelineService
from ml_pipeline.online import store
from tests.online_agent import messages

ANSWER = {"objections": ["price"], "needs": ["roi"]}


async def tell(service: MLPipelineService, seen: str, call: int) -> str:
    """Take a call and print what came back, where that is new."""
    result = await service.process_conversation_predictions(f"c{call % 20}", messages("hi"), {}, ANSWER)
    metrics = await service.get_ml_pipeline_metrics()
    testing = metrics["ab_testing"]
    said = {
        "served_by": result["served_by"],
        "running": sorted(model["version"] for model in metrics["model_updates"]["models"]),
        "arms": len(testing["experiments"]["greeting"]["arms"]) if testing["experiments"] else 0,
        "off": testing["switched_off"],
    }
    obeyed = json.dumps(said)
    if obeyed != seen:
        print(obeyed, flush=True)  # noqa: T201
    return obeyed


async def main() -> None:
    if "deaf" in sys.argv:
        store.listen_to_policy = lambda connection: None
    async with MLPipelineService() as service:
        seen, call = "", 0
        while True:
            seen, call = await tell(service, seen, call), call + 1
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(main())
