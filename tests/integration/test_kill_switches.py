"""Kill switches, from the act to every running process: within ten seconds, with NOTIFY lost too."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from typer.testing import CliRunner

from ml_pipeline.cli import app
from tests.integration.events import rows
from tests.integration.policy import bundle, execute, experiment, kill, publish

SECONDS = 10.0
"""What is promised."""

CHAMPION, SHADOW = "objection.anticipate/1", "objection.anticipate/2"


class Agent:
    """A process, and what it said last."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(line)

    def once(self, holds: Callable[[dict[str, Any]], bool], until: float) -> None:
        """Wait until the agent says something of which ``holds`` is true."""
        said = None
        while said is None or not holds(said):
            try:
                said = json.loads(self._lines.get(timeout=max(0.0, until - time.monotonic())))
            except queue.Empty:
                raise AssertionError(f"not in time; last said {said}") from None


@contextmanager
def agent(*arguments: str) -> Iterator[Agent]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.policy_agent", *arguments],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "ML_PIPELINE_SHIPPER": "none"},
    )  # fmt: skip
    try:
        yield Agent(process)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("manner", ["NOTIFY", "deaf"])
def test_every_switch_is_in_force_in_every_process_within_ten_seconds_and_back(database, manner):
    experiment(database)
    publish(database, (bundle(CHAMPION), "champion", 0), (bundle(SHADOW), "shadow", 0))
    with ExitStack() as running:
        agents = [running.enter_context(agent(*([manner] if manner == "deaf" else []))) for _ in range(3)]

        def all_say(holds: Callable[[dict[str, Any]], bool], seconds: float = SECONDS) -> None:
            until = time.monotonic() + seconds
            for each in agents:
                each.once(holds, until)

        all_say(lambda said: said["running"] == [CHAMPION, SHADOW] and said["arms"] == 2, seconds=60)
        kill(database, "challengers")
        kill(database, "experiments")
        all_say(lambda said: said["running"] == [CHAMPION] and said["arms"] == 1)
        kill(database, "predictor")
        all_say(lambda said: said["running"] == [] and said["served_by"]["objection"] == "caller")
        for name in ("challengers", "experiments", "predictor"):
            kill(database, name, is_on=False)
        all_say(lambda said: said["running"] == [CHAMPION, SHADOW] and said["arms"] == 2 and not said["off"])


@pytest.fixture
def command(database):
    """``ml-pipeline`` with the test's database."""
    runner = CliRunner(env={"LOGNAME": "olivia", "COLUMNS": "200"})
    return lambda *arguments: runner.invoke(app, ["switch", *arguments])


def test_a_person_switches_from_the_command_line_and_sees_how_the_switches_stand(database, command):
    publish(database, (bundle(CHAMPION), "champion", 0))
    experiment(database)
    experiment(database, "typo", unit="household")

    untouched = command().output
    done = command("predictor", "off", "--why", "it answers nonsense")
    part = command("experiments", "off", "--only", "greeting", "--why", "rude")
    listed = command().output
    again = command("predictor", "on", "--why", "mended")

    assert untouched.splitlines() == ["experiments  on", "challengers  on", "predictor    on"]
    assert (done.exit_code, part.exit_code, again.exit_code) == (0, 0, 0)
    assert "predictor switched off" in done.output
    assert "experiments on" not in listed
    experiments, greeting, challengers, predictor, broken = listed.splitlines()
    assert (experiments, challengers) == ("experiments  on", "challengers  on")
    assert greeting.startswith("experiments  off for greeting, ")
    assert greeting.endswith(" UTC, olivia: rude")
    assert predictor.startswith("predictor    off, ")
    assert predictor.endswith(" UTC, olivia: it answers nonsense")
    assert broken == 'experiment "typo" is left out of the policy: unit is neither conversation nor customer'
    acts = rows(database, "SELECT name, subject, is_on, reason, actor FROM kill_switches ORDER BY act")
    assert [tuple(act.values()) for act in acts] == [
        ("predictor", "", True, "it answers nonsense", "olivia"),
        ("experiments", "greeting", True, "rude", "olivia"),
        ("predictor", "", False, "mended", "olivia"),
    ]
    models = execute(database, "SELECT jsonb_array_length(document -> 'models') FROM policy")
    assert models == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("predictor",), "--why"),
        (("predictor", "off"), "--why"),
        (("predictor", "off", "--why", "  "), "--why"),
        (("weather", "off", "--why", "rain"), "weather"),
        (("predictor", "of", "--why", "haste"), "'of'"),
        (("predictor", "off", "--why", "x", "--only", "objections"), "objection, needs, conversion"),
        (("experiments", "off", "--why", "x", "--only", "greting"), "not one of greeting"),
    ],
)
def test_a_misspelt_switch_is_refused_and_switches_nothing(database, command, arguments, said):
    experiment(database)

    done = command(*arguments)

    assert done.exit_code == 2
    assert said in done.output
    assert rows(database, "SELECT * FROM kill_switches") == []
