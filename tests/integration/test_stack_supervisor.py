"""Nothing stays behind, however the supervisor ends. Real processes, stubborn ones among them."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from ml_pipeline.cli.rounds import run_stack
from ml_pipeline.errors import StackError
from ml_pipeline.stack.guardian import clean_up
from ml_pipeline.stack.processes import Child, is_running
from ml_pipeline.stack.state import State

# Two components. The second ends when asked, or, where a test wants the worst, ignores it and has a child in a session
# of its own that ignores it too; those are killed after 6 s.
SUPERVISOR = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it, under nohup say
from ml_pipeline.errors import StackError
from ml_pipeline.stack.components import Component, inherited
from ml_pipeline.stack.state import State
from ml_pipeline.stack.supervisor import Supervisor

root = Path(sys.argv[1])
PLAIN = "import time; print('plain is up', flush=True); time.sleep(600)"
STUBBORN = '''
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) == 2:
    subprocess.Popen([sys.executable, "-c", CODE, sys.argv[1], "child"], start_new_session=True)
time.sleep(600)
'''
STUBBORN = "CODE = " + repr(STUBBORN) + STUBBORN.replace("CODE", "'CODE = ' + repr(CODE) + CODE")
try:
    with Supervisor(State(root), Path.cwd()) as supervisor:
        for name, code in (("plain", PLAIN), ("second", STUBBORN if sys.argv[2] == "stubborn" else PLAIN)):
            supervisor.start(Component(name, (sys.executable, "-c", code, str(root)), inherited()))
        try:
            print("started", flush=True)
            supervisor.wait()
        except KeyboardInterrupt:
            print("told to stop", flush=True)
except StackError as error:
    print(error, flush=True)
    sys.exit(1)
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "x y" / ".local")


@pytest.fixture
def start(state: State) -> Iterator[Start]:
    """Starts a supervisor and waits until all it starts stands; ends what a failed test left."""
    started = []

    def begin(manner: str = "plain") -> "subprocess.Popen[str]":
        supervisor = subprocess.Popen(command(state, manner), stdout=subprocess.PIPE, text=True)
        started.append(supervisor)
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == "started\n"
        # Supervisor, guardian, two components, and the stubborn one's child.
        wait_until(lambda: len(everyone(state)) == (5 if manner == "stubborn" else 4))
        return supervisor

    yield begin
    for supervisor in started:
        supervisor.kill()
        supervisor.wait()
    for process in everyone(state):
        process.kill()


def command(state: State, manner: str = "plain") -> list[str]:
    return [sys.executable, "-c", SUPERVISOR, str(state.root), manner]


def everyone(state: State) -> list[psutil.Process]:
    """Every living process that was given this test's folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(state.root) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_until(is_so: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def child(state: State, name: str) -> int:
    return next(each.pid for each in state.children() if each.name == name)


def output(supervisor: "subprocess.Popen[str]") -> str:
    return supervisor.communicate(timeout=40)[0]


@pytest.mark.parametrize(
    ("number", "manner"), [(signal.SIGINT, "plain"), (signal.SIGTERM, "stubborn"), (signal.SIGHUP, "plain")]
)
def test_a_signal_ends_everything_and_leaves_by_the_front_door(
    start: Start, state: State, number: signal.Signals, manner: str
):
    supervisor = start(manner)

    supervisor.send_signal(number)

    assert output(supervisor) == "told to stop\n"
    assert supervisor.returncode == 0
    assert everyone(state) == []


def test_a_second_signal_does_not_interrupt_the_stopping(start: Start, state: State):
    supervisor = start("stubborn")

    supervisor.send_signal(signal.SIGINT)
    time.sleep(0.5)
    supervisor.send_signal(signal.SIGINT)

    assert output(supervisor) == "told to stop\n"
    assert everyone(state) == []


def test_a_killed_supervisor_leaves_nothing(start: Start, state: State):
    supervisor = start("stubborn")

    supervisor.kill()

    wait_until(lambda: everyone(state) == [])
    assert state.children() == []


def test_a_dead_component_ends_everything_and_is_named_with_its_last_words(start: Start, state: State):
    supervisor = start("stubborn")

    psutil.Process(child(state, "plain")).kill()

    said = output(supervisor)
    assert "plain was killed by signal 9" in said
    assert "plain is up" in said
    assert supervisor.returncode == 1
    assert everyone(state) == []


def test_a_dead_guardian_ends_everything_for_nobody_watches_any_more(start: Start, state: State):
    supervisor = start()
    guardian = next(each for each in everyone(state) if "ml_pipeline.stack.guardian" in each.cmdline())

    guardian.kill()

    assert "guardian was killed by signal 9" in output(supervisor)
    assert everyone(state) == []


def test_when_supervisor_and_guardian_were_killed_the_next_start_ends_what_they_left(start: Start, state: State):
    supervisor = start()
    guardian = next(each for each in everyone(state) if "ml_pipeline.stack.guardian" in each.cmdline())
    left = [child(state, "plain"), child(state, "second")]
    for process in (supervisor, guardian):
        process.kill()
    wait_until(lambda: not is_running(guardian.pid))
    assert [is_running(pid) for pid in left] == [True, True]

    again = start()

    assert [is_running(pid) for pid in left] == [False, False]
    again.terminate()
    assert output(again) == "told to stop\n"


def test_a_second_supervisor_is_refused_and_told_who_runs(start: Start, state: State):
    supervisor = start()

    second = subprocess.run(command(state), capture_output=True, text=True, check=False, timeout=30)

    assert second.returncode == 1
    assert f"runs already (pid {supervisor.pid}); end it with `make stop`" in second.stdout
    assert len(everyone(state)) == 4


def test_a_run_that_is_refused_leaves_the_running_ones_files_alone(start: Start, state: State):
    start()
    kept = {"summary.json": "its last round", "simulation_truth.jsonl": "its truth"}
    for name, content in kept.items():
        (state.root / name).write_text(content)

    with pytest.raises(StackError, match="runs already"):
        run_stack(None, state.root, conversations=50, is_once=True)

    assert {name: (state.root / name).read_text() for name in kept} == kept


def test_cleaning_up_spares_a_stranger_that_got_the_id_of_a_child(state: State):
    state.prepare()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True) as stranger:
        state.remember_children([Child("plain", stranger.pid, created=time.time() - 3_600)])

        clean_up(state)

        assert stranger.poll() is None
        stranger.kill()


def ask(state: State, word: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "ml_pipeline.cli", word, "--state", state.root],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_stop_ends_a_running_stack_from_outside(start: Start, state: State):
    supervisor = start()

    stopped = ask(state, "stop")

    assert (stopped.returncode, stopped.stdout) == (0, "stopped\n")
    assert output(supervisor) == "told to stop\n"
    assert everyone(state) == []


def test_stop_says_when_there_is_nothing_to_stop(state: State):
    before = ask(state, "stop")
    state.prepare()

    after = ask(state, "stop")

    assert (before.returncode, before.stdout) == (after.returncode, after.stdout) == (0, "nothing was running\n")


def test_reset_ends_a_running_stack_and_removes_what_it_kept(start: Start, state: State):
    supervisor = start()
    state.secrets()

    done = ask(state, "reset")

    assert (done.returncode, done.stdout) == (0, f"removed {state.root}\n")
    assert output(supervisor) == "told to stop\n"
    assert everyone(state) == []
    assert not state.root.exists()
